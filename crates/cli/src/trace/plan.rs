//! What each transaction of a concurrent trace had seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::file::Recorded;

/// Agents in one trace: each has a store of its own.
const AGENTS_MAX: usize = 512;
/// Numbers that all merges together may take: 512 MiB.
const NUMBERS_MAX: usize = 1 << 27;

/// How many transactions of each agent somebody has seen, by the places of the agents.
pub(crate) type Seen = Arc<[u32]>;

/// A concurrent trace as its agents go through it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The names of the agents, in order.
    pub(crate) agents: Vec<u64>,
    /// One for each transaction of the trace.
    pub(crate) steps: Vec<Step>,
    /// What those have seen who have seen nothing.
    pub(crate) nothing: Seen,
    /// For each agent the numbers of its transactions that others have seen alone: so many, and
    /// not the next.
    cuts: Vec<BTreeSet<u32>>,
}

/// A transaction of a concurrent trace.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The place of its agent.
    pub(crate) agent: usize,
    /// What of others it had seen; its agent's own number says nothing.
    pub(crate) seen: Seen,
    /// How many transactions its agent had written before, all of which it had seen.
    pub(crate) own: u32,
}

impl Plan {
    pub(crate) fn new(transactions: &[Recorded]) -> Result<Self> {
        let mut places = BTreeMap::new();
        for (number, transaction) in transactions.iter().enumerate() {
            let agent = transaction.agent;
            places.insert(
                agent.with_context(|| format!("transaction {number} has no agent"))?,
                0,
            );
        }
        if places.is_empty() {
            // A text without an author is somebody's all the same.
            places.insert(0, 0);
        }
        if places.len() > AGENTS_MAX {
            bail!(
                "it has {} agents, and each is a replica; {AGENTS_MAX} are the most",
                places.len()
            );
        }
        for (place, taken) in places.values_mut().enumerate() {
            *taken = place;
        }
        let mut plan = Self {
            agents: places.keys().copied().collect(),
            steps: Vec::with_capacity(transactions.len()),
            nothing: vec![0; places.len()].into(),
            cuts: vec![BTreeSet::new(); places.len()],
        };
        let mut written = vec![0; plan.agents.len()];
        let mut latest = vec![Arc::clone(&plan.nothing); plan.agents.len()];
        let mut numbers = 0;
        for (number, transaction) in transactions.iter().enumerate() {
            let agent = transaction.agent.and_then(|agent| places.get(&agent));
            let agent = *agent.context("an agent without a place")?;
            let Some(parents) = &transaction.parents else {
                bail!("transaction {number} has no parents, where others have");
            };
            let (seen, own) = plan.seen(number, agent, parents, &mut numbers)?;
            let before = written.get_mut(agent).context("an agent without a place")?;
            if own != *before {
                bail!(
                    "transaction {number} of agent {} had seen {own} of the {before} transactions \
                     that this agent wrote before it; an agent has to see all of its own",
                    plan.agents.get(agent).copied().unwrap_or_default()
                );
            }
            *before += 1;
            let latest = latest.get_mut(agent).context("an agent without a place")?;
            if !Arc::ptr_eq(latest, &seen) {
                *latest = Arc::clone(&seen);
                plan.cut(agent, &seen);
            }
            plan.steps.push(Step { agent, seen, own });
        }
        Ok(plan)
    }

    /// Whether somebody has seen the first `count` transactions of an agent, and no more.
    pub(crate) fn is_seen_alone(&self, agent: usize, count: usize) -> bool {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.cuts
            .get(agent)
            .is_some_and(|cuts| cuts.contains(&count))
    }

    /// Notes what an agent has seen of the others.
    fn cut(&mut self, agent: usize, seen: &Seen) {
        let counts = self.cuts.iter_mut().zip(seen.iter()).enumerate();
        for (_, (cuts, count)) in counts.filter(|(place, _)| *place != agent) {
            cuts.insert(*count);
        }
    }

    /// What a transaction had seen: the parents and all that they had.
    fn seen(
        &self,
        number: usize,
        agent: usize,
        parents: &[u32],
        numbers: &mut usize,
    ) -> Result<(Seen, u32)> {
        let mut steps = Vec::with_capacity(parents.len());
        for parent in parents {
            let Some(step) = self.steps.get(*parent as usize) else {
                bail!(
                    "transaction {number} has {parent} among its parents, which does not come \
                     before it"
                );
            };
            steps.push(step);
        }
        match steps.as_slice() {
            [] => return Ok((Arc::clone(&self.nothing), 0)),
            [only] if only.agent == agent => return Ok((Arc::clone(&only.seen), only.own + 1)),
            _ => {}
        }
        *numbers += self.agents.len();
        if *numbers > NUMBERS_MAX {
            bail!("it has too many merges of too many agents to be replayed");
        }
        let mut seen = self.nothing.to_vec();
        for step in steps {
            for (place, (number, other)) in seen.iter_mut().zip(step.seen.iter()).enumerate() {
                let has = if place == step.agent {
                    step.own + 1
                } else {
                    *other
                };
                *number = has.max(*number);
            }
        }
        let own = seen.get(agent).copied().unwrap_or_default();
        Ok((seen.into(), own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(transactions: &[(u64, &[u32])]) -> Result<Plan> {
        let recorded = transactions.iter().map(|(agent, parents)| Recorded {
            patches: Vec::new(),
            parents: Some(parents.to_vec()),
            agent: Some(*agent),
        });
        Plan::new(&recorded.collect::<Vec<_>>())
    }

    #[test]
    fn a_transaction_has_seen_its_parents_and_what_they_had() {
        let plan = plan(&[
            (9, &[]),
            (4, &[]),
            (7, &[0]),
            (9, &[0, 1]),
            (4, &[1, 2]),
            (7, &[3, 2, 4]),
        ])
        .unwrap();
        assert_eq!(plan.agents, [4, 7, 9]);
        let seen = |number: usize| {
            let step = &plan.steps[number];
            let mut seen = step.seen.to_vec();
            seen[step.agent] = step.own;
            seen
        };
        assert_eq!(seen(0), [0, 0, 0]);
        assert_eq!(seen(2), [0, 0, 1]);
        assert_eq!(seen(3), [1, 0, 1]);
        assert_eq!(seen(4), [1, 1, 1]);
        assert_eq!(seen(5), [2, 1, 2]);
        let cuts: Vec<Vec<usize>> = (0..3)
            .map(|agent| {
                let counts = 0..4;
                counts
                    .filter(|count| plan.is_seen_alone(agent, *count))
                    .collect()
            })
            .collect();
        assert_eq!(cuts, [vec![0, 1, 2], vec![0, 1], vec![1, 2]]);
    }

    #[test]
    fn what_cannot_be_is_refused_by_number() {
        for (transactions, says) in [
            (&[(0, &[0][..])][..], "transaction 0 has 0"),
            (&[(0, &[]), (0, &[5])], "transaction 1 has 5"),
            (&[(0, &[]), (1, &[0]), (0, &[])], "transaction 2 of agent 0"),
            (
                &[(0, &[]), (0, &[0]), (1, &[0]), (0, &[2])],
                "transaction 3 of agent 0",
            ),
        ] {
            let error = plan(transactions).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let many: Vec<(u64, &[u32])> = (0..=AGENTS_MAX as u64).map(|n| (n, &[][..])).collect();
        assert!(plan(&many).unwrap_err().to_string().contains("agents"));
    }
}
