//! Those who are thrown out on the way: a member that is removed, and a device, brought into an
//! identity by its recovery phrase, that is revoked. Both go on writing, and nothing of that may
//! ever be seen.

use std::collections::BTreeSet;
use std::time::Duration;

use dxos_client::{
    ClientError, DeviceKey, Durability, Filter, HaloError, Query, RecoveryOptions, RecoveryPhrase,
    TransactionError, Value,
};
use dxos_protocol::echo::EchoError;

use crate::peer::Mark;
use crate::{Violation, What, World};

/// How often a phrase is tried before the world counts as broken.
const ATTEMPTS_MAX: u64 = 40;

/// What is going to happen to an outcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is a member and is removed by the first peer, an admin.
    Member,
    /// It is a device of the second peer's identity, who revokes it.
    Device,
}

/// Somebody who is thrown out.
#[derive(Debug)]
pub(crate) struct Outcast {
    pub(crate) index: usize,
    pub(crate) kind: Kind,
    /// What it wrote after it was thrown out.
    pub(crate) banned: Vec<Mark>,
    /// The first mark that was drawn after that.
    pub(crate) out_at: Option<i64>,
}

impl Kind {
    const fn thrown_out_by(self) -> usize {
        match self {
            Self::Member => 0,
            Self::Device => 1,
        }
    }
}

impl World {
    /// The devices of those who are thrown out.
    pub(crate) fn outcast_devices(&self) -> Vec<DeviceKey> {
        let peers = self.outcasts.iter().map(|outcast| outcast.index);
        peers
            .filter_map(|index| self.peers.get(index))
            .map(|peer| peer.device)
            .collect()
    }

    /// Whether a peer is one of those who throw others out.
    pub(crate) fn throws_out(&self, peer: usize) -> bool {
        self.outcasts
            .iter()
            .any(|outcast| outcast.kind.thrown_out_by() == peer)
    }

    /// Brings the outcasts into the space, after everyone else.
    pub(crate) async fn gather_outcasts(&mut self) -> Result<(), Violation> {
        for kind in [Kind::Member, Kind::Device] {
            if self.honest < 2 || !self.draw.percent(50) {
                continue;
            }
            let index = self.add_peer();
            self.start(index).await?;
            match kind {
                Kind::Member => self.admit(index).await?,
                Kind::Device => self.recover(index).await?,
            }
            self.outcasts.push(Outcast {
                index,
                kind,
                banned: Vec::new(),
                out_at: None,
            });
        }
        Ok(())
    }

    async fn admit(&mut self, index: usize) -> Result<(), Violation> {
        let peer = self.peer(index)?;
        let Some(life) = &peer.life else {
            return Ok(());
        };
        let (halo, name) = (life.client.halo(), format!("outcast {index}"));
        let created = halo.create_identity(name.as_str());
        peer.answered("create an identity", created).await?;
        let Some(space) = self.peer(0)?.open_space().await? else {
            return Ok(());
        };
        self.invite(index, &space).await?;
        self.peer_mut(index)?.space = Some(space.key());
        self.flush(index).await
    }

    /// The second peer writes its phrase down, and somebody finds it.
    async fn recover(&mut self, index: usize) -> Result<(), Violation> {
        let owner = self.peer(1)?;
        let Some(life) = &owner.life else {
            return Ok(());
        };
        let halo = life.client.halo();
        let phrase = halo.create_recovery_phrase();
        let phrase: RecoveryPhrase = owner.answered("make a phrase", phrase).await?;
        let space = owner.space;
        let mut reason = String::new();
        for _ in 0..ATTEMPTS_MAX {
            let finder = self.peer(index)?;
            let Some(life) = &finder.life else {
                return Ok(());
            };
            let halo = life.client.halo();
            let options = RecoveryOptions::default().patience(Duration::from_secs(20));
            let recovered =
                async { Ok::<_, String>(halo.recover_identity(&phrase, &options).await) };
            match finder.answered("recover an identity", recovered).await? {
                Ok(_) | Err(ClientError::Halo(HaloError::IdentityExists { .. })) => {
                    self.peer_mut(index)?.space = space;
                    return self.flush(index).await;
                }
                Err(error) => reason = error.to_string(),
            }
            self.sleep(Duration::from_secs(5)).await;
        }
        Err(Violation::NotJoined {
            peer: index,
            attempts: ATTEMPTS_MAX,
            reason,
        })
    }

    /// An outcast writes, or is thrown out.
    pub(crate) async fn step_outcast(&mut self) -> Result<(), Violation> {
        if self.outcasts.is_empty() {
            return Ok(());
        }
        let at = self.draw.index(self.outcasts.len());
        let out = self
            .outcasts
            .get(at)
            .is_some_and(|outcast| outcast.out_at.is_some());
        if !out && self.draw.percent(20) {
            return self.cast_out(at).await;
        }
        self.write_banned(at).await
    }

    /// Throws one out, if the one who does that can just now.
    pub(crate) async fn cast_out(&mut self, at: usize) -> Result<(), Violation> {
        let Some(Outcast { index, kind, .. }) = self.outcasts.get(at) else {
            return Ok(());
        };
        let (index, kind) = (*index, *kind);
        let by = kind.thrown_out_by();
        let device = self.peer(index)?.device;
        let peer = self.peer(by)?;
        if kind == Kind::Device && peer.lacks_room() {
            // A space that is closed for want of room hears of it when it is open again, and what
            // the device writes until then counts there.
            return Ok(());
        }
        let Some(space) = peer.open_space().await? else {
            return Ok(());
        };
        let Some(life) = &peer.life else {
            return Ok(());
        };
        let done = match kind {
            Kind::Member => {
                let listed = async { Ok::<_, String>(space.members().await) };
                let members = match peer.answered("list members", listed).await? {
                    Err(_) if peer.lacks_room() => return Ok(()),
                    listed => peer.answered("list members", async { listed }).await?,
                };
                let member = members
                    .iter()
                    .find(|member| member.devices.contains(&device));
                let Some(member) = member else {
                    return Ok(());
                };
                let identity = member.identity;
                let removed = async { Ok::<_, String>(space.remove_member(identity).await) };
                peer.answered("remove a member", removed).await?
            }
            Kind::Device => {
                let halo = life.client.halo();
                let revoked = async { Ok::<_, String>(halo.revoke_device(device).await) };
                peer.answered("revoke a device", revoked).await?
            }
        };
        match done {
            Ok(()) => {
                self.counts.cast_out += 1;
                let next = self.next_mark;
                if let Some(outcast) = self.outcasts.get_mut(at) {
                    outcast.out_at = Some(next);
                }
                self.tell(What::CastOut, &[index]);
                Ok(())
            }
            // It is tried again.
            Err(ClientError::Echo(EchoError::Store { .. } | EchoError::Stopped { .. }))
                if self.peer(by)?.lacks_room() =>
            {
                Ok(())
            }
            Err(ClientError::Echo(EchoError::UnknownDevice { .. })) => Ok(()),
            Err(error) => Err(Violation::Request {
                peer: by,
                action: "throw somebody out",
                reason: error.to_string(),
            }),
        }
    }

    /// Lets an outcast put a mark onto an object that it sees.
    async fn write_banned(&mut self, at: usize) -> Result<(), Violation> {
        let Some(outcast) = self.outcasts.get(at) else {
            return Ok(());
        };
        let (index, out) = (outcast.index, outcast.out_at.is_some());
        let Some(db) = self.peer(index)?.database().await? else {
            return Ok(());
        };
        let Some(object) = self.draw.pick(&self.objects) else {
            return Ok(());
        };
        let peer = self.peer(index)?;
        if peer.see(&db, object).await?.object().is_none() {
            return Ok(());
        }
        let number = self.next_mark;
        self.next_mark += 1;
        let transaction = dxos_client::Transaction::new().set_add(object, "marks", [number]);
        let marks = [Mark { object, number }];
        let work = crate::edits::work(transaction, Vec::new(), &marks);
        let commit = db.transaction_with(Durability::Interval, work);
        let answer = async { Ok::<_, String>(commit.await) };
        match self
            .peer(index)?
            .answered("write a transaction", answer)
            .await?
        {
            Ok(()) if out => {
                self.counts.banned_edits += 1;
                if let Some(outcast) = self.outcasts.get_mut(at) {
                    outcast.banned.push(Mark { object, number });
                }
                self.tell(What::Banned, &[index]);
                Ok(())
            }
            // Or it knows by now, has no key yet, or its disk is full.
            Ok(())
            | Err(TransactionError::Client(ClientError::Echo(
                EchoError::NotPermitted { .. }
                | EchoError::DeviceRevoked { .. }
                | EchoError::NoContentKey { .. }
                | EchoError::Store { .. },
            ))) => Ok(()),
            Err(error) => Err(Violation::Request {
                peer: index,
                action: "write a transaction",
                reason: error.to_string(),
            }),
        }
    }

    /// Throws out whoever is left.
    pub(crate) async fn cast_all_out(&mut self) -> Result<(), Violation> {
        for at in 0..self.outcasts.len() {
            for _ in 0..ATTEMPTS_MAX {
                let out = self
                    .outcasts
                    .get(at)
                    .is_none_or(|outcast| outcast.out_at.is_some());
                if out {
                    break;
                }
                self.cast_out(at).await?;
                self.sleep(Duration::from_secs(2)).await;
            }
        }
        Ok(())
    }

    /// Checks that nothing of what outcasts wrote afterwards is seen by anybody, and that a
    /// removed member sees nothing that the one who removed it wrote afterwards.
    pub(crate) async fn check_outcasts(&self) -> Result<(), Violation> {
        for outcast in &self.outcasts {
            let banned: BTreeSet<i64> = outcast.banned.iter().map(|mark| mark.number).collect();
            for peer in self.peers.iter().take(self.honest) {
                if let Some(edit) = self
                    .marks_of(peer.index)
                    .await?
                    .intersection(&banned)
                    .next()
                {
                    return Err(Violation::Outcast {
                        peer: peer.index,
                        outcast: outcast.index,
                        edit: *edit,
                    });
                }
            }
            let Some(out_at) = outcast.out_at.filter(|_| outcast.kind == Kind::Member) else {
                continue;
            };
            let first = self.peer(0)?;
            let later = first.durable.iter().chain(&first.acknowledged);
            let later: BTreeSet<i64> = later
                .map(|mark| mark.number)
                .filter(|number| *number >= out_at)
                .collect();
            let seen = self.marks_of(outcast.index).await?;
            if let Some(edit) = seen.intersection(&later).next() {
                return Err(Violation::Outcast {
                    peer: outcast.index,
                    outcast: 0,
                    edit: *edit,
                });
            }
        }
        Ok(())
    }

    /// All marks that a peer shows.
    async fn marks_of(&self, index: usize) -> Result<BTreeSet<i64>, Violation> {
        let peer = self.peer(index)?;
        let Some(db) = peer.database().await? else {
            return Ok(BTreeSet::new());
        };
        let all = db.query(Query::new(Filter::And(Vec::new()))).run();
        let all = peer.answered("run a query", all).await?;
        let mut marks = BTreeSet::new();
        for object in &all {
            if let Some(Value::Set(set)) = object.get("marks") {
                marks.extend(set.iter().filter_map(|mark| match mark {
                    Value::Int(number) => Some(*number),
                    _ => None,
                }));
            }
        }
        Ok(marks)
    }
}
