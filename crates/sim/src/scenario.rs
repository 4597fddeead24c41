//! What happens in a world: people write, and everything that can go wrong does.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use dxos_client::{
    ClientError, ConnectionState, Durability, InvitationError, InvitationOptions, ObjectId, Space,
    Transaction, Value, map,
};
use dxos_store::CrashPlan;
use dxos_transport::mem::LinkConfig;

use crate::world::{Acknowledged, World};

/// Tries of a guest whose connection breaks.
const JOIN_TRIES: u32 = 50;

impl World {
    /// The whole life of a world.
    pub(crate) async fn play(&mut self, steps: u32) -> Result<()> {
        self.set_up().await?;
        for _ in 0..steps {
            self.step().await?;
            self.pause(400).await;
        }
        self.come_to_rest().await?;
        self.check().await?;
        for peer in &mut self.peers {
            peer.stop().await?;
        }
        Ok(())
    }

    /// Everyone gets an identity; the first one invites the others, over links that break.
    async fn set_up(&mut self) -> Result<()> {
        let around = self.around.clone();
        for peer in &mut self.peers {
            peer.start(&around).await?;
        }
        let drop_per_million = u32::try_from(self.below(20_000)).unwrap_or_default();
        self.set_links(LinkConfig {
            latency: Duration::from_millis(20),
            jitter: Duration::from_millis(30),
            drop_per_million,
            ..LinkConfig::default()
        });
        let first = self
            .peers
            .first()
            .context("there are no peers")?
            .client()?
            .clone();
        let space = first
            .echo()
            .create_space(map! { "name" => "world" })
            .await?;
        self.space = Some(space.key());
        for guest in 1..self.peers.len() {
            self.join(&space, guest).await?;
        }
        Ok(())
    }

    async fn join(&mut self, space: &Space, guest: usize) -> Result<()> {
        let host = space
            .create_invitation(InvitationOptions::default())
            .await?;
        let code = host.auth_code().context("there is no code")?.to_owned();
        let client = self
            .peers
            .get(guest)
            .context("no such peer")?
            .client()?
            .clone();
        let mut last = None;
        for _ in 0..JOIN_TRIES {
            let joined = async {
                let flow = client
                    .echo()
                    .accept_invitation(host.invitation().clone())
                    .await?;
                flow.authenticate(&code).await?;
                flow.joined().await
            };
            match joined.await {
                Ok(_) => return Ok(()),
                Err(ClientError::Invitation(InvitationError::AlreadyJoined { .. })) => {
                    return Ok(());
                }
                Err(error) => last = Some(error),
            }
            self.pause(2000).await;
        }
        bail!("peer {} could not join: {last:?}", guest + 1)
    }

    async fn step(&mut self) -> Result<()> {
        let at = self.below(self.peers.len());
        match self.below(100) {
            0..65 => self.write(at).await,
            65..70 => self.partition(),
            70..76 => {
                self.around.network.heal_all();
                Ok(())
            }
            76..80 => {
                self.worsen();
                Ok(())
            }
            80..84 => self.drop_connections(at),
            84..90 => self.switch(at).await,
            90..93 => self.crash(at).await,
            93..96 => self.restart(at).await,
            _ => self.revive().await,
        }
    }

    async fn write(&mut self, at: usize) -> Result<()> {
        let key = self.key()?;
        let Some(peer) = self.peers.get(at).filter(|peer| peer.running.is_some()) else {
            return Ok(());
        };
        let space = peer.space(key).await?;
        let (transaction, made) = self.transaction(&space)?;
        let synced = self.below(5) == 0;
        let durability = if synced {
            Durability::Synced
        } else {
            Durability::Interval
        };
        space.db().commit_with(transaction, durability).await?;
        self.counts.commits += 1;
        if let Some(object) = made {
            self.acknowledged.push(Acknowledged {
                object,
                peer: at,
                synced,
            });
        }
        if self.below(10) == 0 {
            space.db().flush().await?;
            let own = self.acknowledged.iter_mut().filter(|made| made.peer == at);
            own.for_each(|made| made.synced = true);
        }
        Ok(())
    }

    /// A random transaction, with the object that it makes, if it does.
    fn transaction(&mut self, space: &Space) -> Result<(Transaction, Option<ObjectId>)> {
        let number = i64::try_from(self.below(1000))?;
        let transaction = Transaction::new();
        let known = self.acknowledged.len();
        if known < 3 || self.below(4) == 0 {
            let object = space.db().new_id()?;
            let properties = map! {
                "title" => format!("№ {number}"),
                "count" => Value::Counter(0),
                "tags" => Value::set([number % 7]),
                "nested" => Value::map([("a", number)]),
            };
            return Ok((transaction.create(object, "task", properties), Some(object)));
        }
        let pick = self.below(known);
        let object = self
            .acknowledged
            .get(pick)
            .context("nothing was made")?
            .object;
        let other = self.below(known);
        let other = self
            .acknowledged
            .get(other)
            .context("nothing was made")?
            .object;
        Ok((
            match self.below(8) {
                0 => transaction.set(object, "title", format!("№ {number}")),
                1 => transaction.set(object, "nested.b", number),
                2 => transaction.increment(object, "count", number),
                3 => transaction.set_add(object, "tags", [number % 7]),
                4 => transaction.set_remove(object, "tags", [number % 7]),
                5 => transaction.delete(object),
                6 => transaction.restore(object),
                _ => transaction.set(object, "a", number).set(other, "b", number),
            },
            None,
        ))
    }

    fn partition(&mut self) -> Result<()> {
        let devices: Vec<_> = self.peers.iter().filter_map(|peer| peer.device).collect();
        let cut = self.below(devices.len());
        let (one, others) = devices.split_at_checked(cut).context("no such place")?;
        if !one.is_empty() && !others.is_empty() {
            self.around.network.partition(one, others);
            self.counts.partitions += 1;
        }
        Ok(())
    }

    /// Other links, mostly bad ones.
    fn worsen(&mut self) {
        let ms = |below: usize| Duration::from_millis(below as u64);
        let (latency, jitter) = (ms(self.below(200)), ms(self.below(100)));
        let drop_per_million = u32::try_from(self.below(50_000)).unwrap_or_default();
        let refuse_per_million = u32::try_from(self.below(200_000)).unwrap_or_default();
        let slow = self.below(3) == 0;
        let bandwidth = slow.then(|| 2_000 + self.below(100_000) as u64);
        self.set_links(LinkConfig {
            latency,
            jitter,
            bandwidth,
            drop_per_million,
            refuse_per_million,
        });
    }

    fn drop_connections(&mut self, at: usize) -> Result<()> {
        let one = self
            .peers
            .get(at)
            .and_then(|peer| peer.device)
            .context("no device")?;
        for other in self.peers.iter().filter_map(|peer| peer.device) {
            if other != one {
                self.around.network.drop_connections(one, other);
            }
        }
        Ok(())
    }

    /// Goes offline, or back online.
    async fn switch(&mut self, at: usize) -> Result<()> {
        let Some(running) = self
            .peers
            .get_mut(at)
            .and_then(|peer| peer.running.as_mut())
        else {
            return Ok(());
        };
        running.online = !running.online;
        let state = if running.online {
            ConnectionState::Online
        } else {
            ConnectionState::Offline
        };
        self.counts.offline += u64::from(!running.online);
        Ok(running.client.mesh().set_connection_state(state).await?)
    }

    async fn crash(&mut self, at: usize) -> Result<()> {
        let around = self.around.clone();
        let unsynced = self.peers.get(at).context("no such peer")?.disk.unsynced();
        let survivors = self.below(unsynced + 1);
        let (plan, power) = match self.below(3) {
            0 => (CrashPlan::kill(), false),
            1 => (CrashPlan::power_loss(survivors), true),
            _ => (CrashPlan::power_loss(survivors).torn(), true),
        };
        let peer = self.peers.get_mut(at).context("no such peer")?;
        if peer.running.is_none() {
            return Ok(());
        }
        let lost = peer.crash(plan, &around).await?;
        self.counts.crashes += 1;
        self.counts.batches_lost += lost as u64;
        if power {
            // What was not said to be on the disk may be gone, or live on with others.
            self.acknowledged
                .retain(|made| made.synced || made.peer != at);
        }
        Ok(())
    }

    async fn restart(&mut self, at: usize) -> Result<()> {
        let around = self.around.clone();
        let peer = self.peers.get_mut(at).context("no such peer")?;
        peer.stop().await?;
        // Everything that was acknowledged was written out.
        let own = self.acknowledged.iter_mut().filter(|made| made.peer == at);
        own.for_each(|made| made.synced = true);
        self.counts.restarts += 1;
        self.pause(3000).await;
        let peer = self.peers.get_mut(at).context("no such peer")?;
        peer.start(&around).await
    }

    /// Starts everyone who is down.
    async fn revive(&mut self) -> Result<()> {
        let around = self.around.clone();
        for peer in &mut self.peers {
            peer.start(&around).await?;
        }
        Ok(())
    }
}
