//! Sequences against a model that keeps the tree as a tree.

use std::collections::BTreeMap;

use dxos_keys::FeedId;
use proptest::prelude::*;

use super::{Id, Insertion, Parts, Sequence, Side};
use crate::codec::{Decoder, Encoder};
use crate::limits::Limits;

/// An element by its author's feed, so that all replicas mean the same.
type Global = Option<(u8, u32)>;

#[derive(Clone, Debug)]
enum Op {
    Insert {
        seq: u64,
        at: (u8, u32),
        parent: Global,
        side: Side,
        text: String,
    },
    Delete {
        first: (u8, u32),
        len: u32,
    },
}

fn feed(number: u8) -> FeedId {
    // Not in the order in which authors become known.
    FeedId::from_bytes([number.wrapping_mul(151); 32])
}

fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap()
}

#[derive(Default)]
struct Model {
    nodes: BTreeMap<(u8, u32), (Global, Side, char, bool)>,
}

impl Model {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Insert {
                at,
                parent,
                side,
                text,
                ..
            } => {
                let mut parent = *parent;
                let mut side = *side;
                for (n, character) in (at.1..).zip(text.chars()) {
                    self.nodes
                        .insert((at.0, n), (parent, side, character, true));
                    parent = Some((at.0, n));
                    side = Side::Right;
                }
            }
            Op::Delete { first, len } => {
                for n in first.1..first.1 + len {
                    if let Some(node) = self.nodes.get_mut(&(first.0, n)) {
                        node.3 = false;
                    }
                }
            }
        }
    }

    fn text(&self) -> String {
        let mut children: BTreeMap<(Global, Side), Vec<(u8, u32)>> = BTreeMap::new();
        for (id, (parent, side, ..)) in &self.nodes {
            children.entry((*parent, *side)).or_default().push(*id);
        }
        for list in children.values_mut() {
            list.sort_by_key(|(author, n)| (feed(*author), *n));
        }
        let mut text = String::new();
        self.walk(None, &children, &mut text);
        text
    }

    fn walk(
        &self,
        id: Global,
        children: &BTreeMap<(Global, Side), Vec<(u8, u32)>>,
        text: &mut String,
    ) {
        let of = |side| children.get(&(id, side)).into_iter().flatten();
        for child in of(Side::Left) {
            self.walk(Some(*child), children, text);
        }
        if let Some((_, _, character, true)) = id.and_then(|id| self.nodes.get(&id)) {
            text.push(*character);
        }
        for child in of(Side::Right) {
            self.walk(Some(*child), children, text);
        }
    }
}

#[derive(Clone, Default)]
struct Replica {
    sequence: Sequence,
    blocks: u64,
}

impl Replica {
    fn local(&mut self, global: Global) -> Id {
        global.map_or(Id::ROOT, |(author, n)| Id {
            author: self.sequence.author(feed(author)),
            n,
        })
    }

    fn global(&self, id: Id) -> Global {
        let of = self.sequence.feed(id.author)?;
        let author = (0..=255).find(|number| feed(*number) == *of)?;
        Some((author, id.n))
    }

    fn apply(&mut self, op: &Op) -> bool {
        match op {
            Op::Insert {
                seq,
                at,
                parent,
                side,
                text,
            } => {
                let id = self.local(Some(*at));
                let parent = self.local(*parent);
                let insertion = Insertion {
                    id,
                    len: count(text),
                    parent,
                    side: *side,
                };
                self.sequence.integrate(insertion, text, *seq)
            }
            Op::Delete { first, len } => {
                let first = self.local(Some(*first));
                let mut text: Vec<char> = self.sequence.text().chars().collect();
                self.sequence.hide(first, *len, &mut |position, len| {
                    text.drain(position..position + len as usize);
                });
                assert_eq!(self.sequence.text(), text.into_iter().collect::<String>());
                true
            }
        }
    }

    fn insert(&mut self, me: u8, position: usize, text: &str) -> Op {
        let author = self.sequence.author(feed(me));
        let n = self.sequence.next(author);
        self.blocks += 1;
        let seq = self.blocks;
        let inserted = self
            .sequence
            .insert(position, (author, n, count(text)), text, seq);
        Op::Insert {
            seq,
            at: self.global(inserted.id).unwrap(),
            parent: self.global(inserted.parent),
            side: inserted.side,
            text: text.to_owned(),
        }
    }

    fn delete(&mut self, position: usize, len: usize) -> Vec<Op> {
        let mut hidden = Vec::new();
        self.sequence
            .delete(position, len, &mut |id, len| hidden.push((id, len)));
        hidden
            .into_iter()
            .map(|(id, len)| Op::Delete {
                first: self.global(id).unwrap(),
                len,
            })
            .collect()
    }
}

fn bytes(sequence: &Sequence) -> Vec<u8> {
    let mut to = Encoder::default();
    let feed = |feed: &FeedId, to: &mut Encoder<'_>| to.raw(feed.as_bytes());
    sequence.parts().encode(&mut to, &feed, false);
    to.out
}

fn read(bytes: &[u8]) -> Option<Sequence> {
    let limits = Limits::default();
    let mut from = Decoder::new(bytes, &limits);
    let parts = Parts::decode(&mut from, &mut |from| from.feed("a feed"), false).ok()?;
    from.end().ok()?;
    parts.into_sequence(false)
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, usize, String),
    Delete(usize, usize, usize),
    /// One replica takes from another what it knows.
    Pull(usize, usize),
    /// Somebody who invents where things were.
    Lie(usize, usize, bool),
}

fn steps(replicas: usize, most: usize) -> impl Strategy<Value = Vec<Step>> {
    let text = prop_oneof![
        6 => "[a-z]",
        2 => "[a-z]{2,8}",
        1 => "[äß€😀]{1,3}",
        1 => "[A-Z]{600,1500}",
    ];
    let step = prop_oneof![
        6 => (0..replicas, 0_usize..2_000, text).prop_map(|(r, p, t)| Step::Insert(r, p, t)),
        3 => (0..replicas, 0_usize..2_000, 1_usize..6).prop_map(|(r, p, n)| Step::Delete(r, p, n)),
        2 => (0..replicas, 0..replicas).prop_map(|(to, from)| Step::Pull(to, from)),
        1 => (0..replicas, any::<usize>(), any::<bool>()).prop_map(|(r, p, left)| {
            Step::Lie(r, p, left)
        }),
    ];
    proptest::collection::vec(step, 1..most)
}

struct World {
    replicas: Vec<Replica>,
    /// All operations with who made them; a replica knows a prefix of each author's.
    log: Vec<Vec<Op>>,
    known: Vec<Vec<usize>>,
    /// What each author knew when it made each of its operations.
    causes: Vec<Vec<Vec<usize>>>,
}

impl World {
    fn new(replicas: usize) -> Self {
        Self {
            replicas: vec![Replica::default(); replicas],
            log: vec![Vec::new(); replicas],
            known: vec![vec![0; replicas]; replicas],
            causes: vec![Vec::new(); replicas],
        }
    }

    fn made(&mut self, by: usize, ops: Vec<Op>) {
        self.replicas[by].sequence.tree.check();
        for op in ops {
            self.causes[by].push(self.known[by].clone());
            self.log[by].push(op);
            self.known[by][by] += 1;
        }
    }

    fn play(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Insert(by, position, text) => {
                    let replica = &mut self.replicas[*by];
                    let position = position % (replica.sequence.len() + 1);
                    let op = replica.insert(u8::try_from(*by).unwrap(), position, text);
                    self.made(*by, vec![op]);
                }
                Step::Delete(by, position, len) => {
                    let replica = &mut self.replicas[*by];
                    if replica.sequence.len() > 0 {
                        let position = position % replica.sequence.len();
                        let ops = replica.delete(position, *len);
                        self.made(*by, ops);
                    }
                }
                Step::Pull(to, from) => {
                    let known = self.known[*from].clone();
                    self.deliver(*to, &known, &[0]);
                }
                Step::Lie(by, place, left) => {
                    let known: Vec<_> = (0..self.log.len())
                        .flat_map(|author| &self.log[author][..self.known[*by][author]])
                        .filter_map(|op| match op {
                            Op::Insert { at, text, .. } => Some((*at, count(text))),
                            Op::Delete { .. } => None,
                        })
                        .collect();
                    let Some((at, len)) = known.get(place % known.len().max(1)) else {
                        continue;
                    };
                    let parent = Some((at.0, at.1 + u32::try_from(place / 7).unwrap_or(3) % len));
                    let me = u8::try_from(*by).unwrap();
                    let replica = &mut self.replicas[*by];
                    let author = replica.sequence.author(feed(me));
                    replica.blocks += 1;
                    let op = Op::Insert {
                        seq: replica.blocks,
                        at: (me, replica.sequence.next(author)),
                        parent,
                        side: if *left { Side::Left } else { Side::Right },
                        text: "!?".to_owned(),
                    };
                    assert!(replica.apply(&op));
                    self.made(*by, vec![op]);
                }
            }
        }
    }

    /// Gives a replica everything up to `known`, in a causal order that `choices` picks.
    fn deliver(&mut self, to: usize, known: &[usize], choices: &[u8]) {
        let mut choices = choices.iter().cycle();
        loop {
            let ready: Vec<usize> = (0..self.log.len())
                .filter(|author| {
                    let next = self.known[to][*author];
                    next < known[*author]
                        && self.causes[*author][next]
                            .iter()
                            .zip(&self.known[to])
                            .all(|(needs, has)| needs <= has)
                })
                .collect();
            if ready.is_empty() {
                return;
            }
            let author = ready[usize::from(*choices.next().unwrap()) % ready.len()];
            let op = self.log[author][self.known[to][author]].clone();
            assert!(self.replicas[to].apply(&op), "{op:?}");
            self.replicas[to].sequence.tree.check();
            self.known[to][author] += 1;
        }
    }

    fn finish(&mut self, order: &[u8]) {
        let all: Vec<usize> = self.log.iter().map(Vec::len).collect();
        for replica in 0..self.replicas.len() {
            self.deliver(replica, &all, order);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replicas_agree_with_the_model(
        steps in steps(5, 60),
        order in proptest::collection::vec(any::<u8>(), 30),
    ) {
        let mut world = World::new(5);
        world.play(&steps);
        let mut observer = Replica::default();
        world.finish(&order);
        let mut model = Model::default();
        for op in world.log.iter().flatten() {
            model.apply(op);
        }
        // Deletions before what they delete do nothing in the model.
        for op in world.log.iter().flatten() {
            model.apply_deletion(op);
        }
        std::mem::swap(&mut observer, &mut world.replicas[0]);
        let expected = model.text();
        for replica in [&mut observer].into_iter().chain(&mut world.replicas[1..]) {
            prop_assert_eq!(replica.sequence.text(), expected.clone());
            prop_assert_eq!(replica.sequence.len(), expected.chars().count());
        }
        let first = bytes(&observer.sequence);
        for replica in &world.replicas[1..] {
            prop_assert_eq!(&bytes(&replica.sequence), &first);
        }
        let mut again = read(&first).unwrap();
        prop_assert_eq!(again.parts(), observer.sequence.parts());
        for position in 0..again.len() {
            let id = again.id_at(position).unwrap();
            prop_assert_eq!(again.position(id), Some((position, true)));
        }
    }

    #[test]
    fn one_who_edits_alone_sees_a_plain_text(steps in steps(1, 500)) {
        let mut replica = Replica::default();
        let mut text: Vec<char> = Vec::new();
        for (step, place) in steps.iter().zip(0_usize..) {
            match step {
                Step::Insert(_, position, new) => {
                    let position = (position + place) % (text.len() + 1);
                    replica.insert(0, position, new);
                    text.splice(position..position, new.chars());
                }
                Step::Delete(_, position, len) if !text.is_empty() => {
                    let position = position % text.len();
                    replica.delete(position, *len);
                    text.drain(position..(position + len).min(text.len()));
                }
                _ => replica.sequence = read(&bytes(&replica.sequence)).unwrap(),
            }
            replica.sequence.tree.check();
            assert_eq!(replica.sequence.text(), text.iter().collect::<String>());
        }
        prop_assert_eq!(replica.sequence.text(), text.into_iter().collect::<String>());
    }

    #[test]
    fn no_bytes_harm(steps in steps(2, 30), place: usize, byte: u8) {
        let mut world = World::new(2);
        world.play(&steps);
        world.finish(&[0]);
        let mut bytes = bytes(&world.replicas[0].sequence);
        let place = place % bytes.len();
        bytes[place] = byte;
        if let Some(sequence) = read(&bytes) {
            let mut replica = Replica { sequence, blocks: 1000 };
            let len = replica.sequence.len();
            let author = replica.sequence.author(feed(7));
            for position in [len / 2, 0] {
                let n = replica.sequence.next(author);
                replica.sequence.insert(position, (author, n, 1), "x", 3000 + u64::from(n));
            }
            replica.sequence.delete(0, len, &mut |_, _| {});
            let insertion = Insertion {
                id: Id { author, n: replica.sequence.next(author) },
                len: 1,
                parent: Id { author: 0, n: 0 },
                side: Side::Right,
            };
            replica.sequence.integrate(insertion, "z", 5000);
        }
    }
}

impl Model {
    fn apply_deletion(&mut self, op: &Op) {
        if matches!(op, Op::Delete { .. }) {
            self.apply(op);
        }
    }
}

#[test]
fn what_two_type_at_one_place_does_not_interleave() {
    for backwards in [false, true] {
        let mut world = World::new(2);
        for (by, word) in [(0, "milk"), (1, "eggs")] {
            for (place, letter) in word.chars().enumerate() {
                let position = if backwards { 0 } else { place };
                let me = u8::try_from(by).unwrap();
                let op = world.replicas[by].insert(me, position, &letter.to_string());
                world.made(by, vec![op]);
            }
        }
        world.finish(&[0]);
        let text = world.replicas[0].sequence.text();
        let expected = if backwards {
            ["klimsgge", "sggeklim"]
        } else {
            ["milkeggs", "eggsmilk"]
        };
        assert!(expected.contains(&text.as_str()), "{text}");
        assert_eq!(world.replicas[1].sequence.text(), text);
    }
}

#[test]
fn an_id_that_was_used_is_refused() {
    let mut replica = Replica::default();
    let op = replica.insert(0, 0, "abc");
    assert!(!replica.apply(&op));
    assert_eq!(replica.sequence.text(), "abc");
}

#[test]
fn numbers_with_a_gap_of_two_billion_cost_nothing() {
    let mut replica = Replica::default();
    let far = |n| Op::Insert {
        seq: u64::from(n),
        at: (0, n),
        parent: None,
        side: Side::Right,
        text: "x".into(),
    };
    for n in [0, 7, (1 << 31) - 2] {
        assert!(replica.apply(&far(n)));
    }
    replica.apply(&Op::Delete {
        first: (0, 0),
        len: u32::MAX,
    });
    assert_eq!(replica.sequence.text(), "");
}
