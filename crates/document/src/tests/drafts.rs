//! Texts on several screens: what each shows ends as what the replicas hold.

use proptest::prelude::*;

use super::{Replica, Sent, id};
use crate::{
    Expand, Map, Op, Path, Span, Text, TextChange, TextDraft, Transaction, Tx, TxError, Value,
};

struct Screen {
    replica: usize,
    draft: TextDraft,
    /// Its text as somebody sees it who follows the differences.
    seen: Vec<char>,
}

struct World {
    replicas: Vec<Replica>,
    screens: Vec<Screen>,
    history: Vec<Sent>,
}

fn body() -> Path {
    Path::from("body")
}

impl World {
    fn new(screens: &[usize], text: &str) -> Self {
        let mut first = Replica::new(1);
        let properties = Map::from([("body".into(), Value::Text(Text::new(text)))]);
        let sent = first.commit(Transaction::new().with(Op::Create {
            object: id(0),
            type_name: "page".into(),
            properties,
        }));
        let mut second = Replica::new(2);
        second.apply(&sent);
        let replicas = vec![first, second];
        let screens = screens.iter().map(|replica| {
            let state = &replicas[*replica].states[&id(0)];
            let snapshot = state.text_snapshot(&body()).unwrap();
            Screen {
                replica: *replica,
                draft: TextDraft::new(snapshot, replicas[*replica].feed),
                seen: text.chars().collect(),
            }
        });
        Self {
            screens: screens.collect(),
            replicas,
            history: vec![sent],
        }
    }

    /// Tells the screens at a replica what a transaction did there.
    fn show(&mut self, replica: usize, sent: &Sent) {
        for (index, op) in (0..).zip(&sent.ops) {
            let Op::Text { of, edits, .. } = op else {
                continue;
            };
            let change = TextChange {
                stamp: sent.stamp,
                past: sent.past.clone(),
                index,
                of: *of,
                edits: edits.clone(),
            };
            for screen in self
                .screens
                .iter_mut()
                .filter(|screen| screen.replica == replica)
            {
                for delta in screen.draft.apply(&change) {
                    let end = delta.at + delta.delete;
                    screen.seen.splice(delta.at..end, delta.insert.chars());
                }
            }
        }
    }

    fn flush(&mut self, screen: usize, fails: bool) {
        let replica = self.screens[screen].replica;
        let Some(batch) = self.screens[screen].draft.take() else {
            return;
        };
        if fails {
            self.screens[screen].draft.failed();
            return;
        }
        let mut committed = None;
        let sent = self.replicas[replica].write(|tx: &mut Tx<'_>| {
            committed = Some(batch.commit(tx, id(0), &body())?);
            Ok::<(), TxError>(())
        });
        self.screens[screen].draft.committed(committed.unwrap());
        self.show(replica, &sent);
        self.history.push(sent);
    }

    fn exchange(&mut self) {
        for sent in self.history.clone() {
            for replica in 0..self.replicas.len() {
                let known = self.replicas[replica].timeframe.get(&sent.stamp.feed);
                if known <= sent.stamp.seq {
                    self.replicas[replica].apply(&sent);
                    self.show(replica, &sent);
                }
            }
        }
    }

    fn reset(&mut self, screen: usize) {
        let screen = &mut self.screens[screen];
        let state = &self.replicas[screen.replica].states[&id(0)];
        assert!(screen.draft.reset(state.text_snapshot(&body()).unwrap()));
        screen.seen = screen.draft.content().chars().collect();
    }

    fn finish(&mut self) -> Text {
        for screen in 0..self.screens.len() {
            self.flush(screen, false);
        }
        self.exchange();
        let texts: Vec<_> = self
            .replicas
            .iter()
            .map(|replica| match replica.object(id(0)).get("body") {
                Some(Value::Text(text)) => text.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(texts[0], texts[1]);
        for screen in &self.screens {
            assert_eq!(screen.draft.show(), texts[0]);
            assert_eq!(screen.seen.iter().collect::<String>(), texts[0].as_str());
            assert!(!screen.draft.has_edits());
        }
        texts[0].clone()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Type(usize, usize, String),
    Delete(usize, usize, usize),
    Mark(usize, usize, usize, bool),
    Undo(usize),
    Redo(usize),
    Pause(usize),
    Flush(usize, bool),
    Reset(usize),
    Exchange,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let screen = || 0_usize..3;
    let step = prop_oneof![
        8 => (screen(), 0_usize..30, "[a-zé😀]{1,4}").prop_map(|(s, at, text)| Step::Type(s, at, text)),
        3 => (screen(), 0_usize..30, 1_usize..4).prop_map(|(s, at, len)| Step::Delete(s, at, len)),
        1 => (screen(), 0_usize..30, 1_usize..6, any::<bool>())
            .prop_map(|(s, at, len, on)| Step::Mark(s, at, len, on)),
        2 => screen().prop_map(Step::Undo),
        1 => screen().prop_map(Step::Redo),
        1 => screen().prop_map(Step::Pause),
        4 => (screen(), any::<bool>()).prop_map(|(s, fails)| Step::Flush(s, fails)),
        1 => screen().prop_map(Step::Reset),
        2 => Just(Step::Exchange),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_screen_ends_as_the_replicas(steps in steps()) {
        // Two screens on one device, one on another.
        let mut world = World::new(&[0, 0, 1], "begin");
        for step in steps {
            let screen = |world: &mut World, number: usize| {
                let screen = &mut world.screens[number];
                screen.seen = screen.draft.content().chars().collect();
            };
            match step {
                Step::Type(s, at, text) => {
                    let draft = &mut world.screens[s].draft;
                    let at = at % (draft.len() + 1);
                    draft.insert(at, &text).unwrap();
                    screen(&mut world, s);
                }
                Step::Delete(s, at, len) => {
                    let draft = &mut world.screens[s].draft;
                    if !draft.is_empty() {
                        let at = at % draft.len();
                        draft.delete(at, len.min(draft.len() - at)).unwrap();
                    }
                    screen(&mut world, s);
                }
                Step::Mark(s, at, len, on) => {
                    let draft = &mut world.screens[s].draft;
                    if !draft.is_empty() {
                        let at = at % draft.len();
                        let to = (at + len).min(draft.len());
                        let value = if on { Value::Bool(true) } else { Value::Null };
                        draft.mark((at, to), "bold", value, Expand::After).unwrap();
                    }
                }
                Step::Undo(s) => {
                    world.screens[s].draft.undo();
                    screen(&mut world, s);
                }
                Step::Redo(s) => {
                    world.screens[s].draft.redo();
                    screen(&mut world, s);
                }
                Step::Pause(s) => world.screens[s].draft.end_undo_step(),
                Step::Flush(s, fails) => world.flush(s, fails),
                Step::Reset(s) => world.reset(s),
                Step::Exchange => world.exchange(),
            }
            for screen in &world.screens {
                let content: String = screen.seen.iter().collect();
                prop_assert_eq!(screen.draft.content(), content);
            }
        }
        world.finish();
    }

    /// Alone, undoing everything leads back to the beginning, and redoing to the end.
    #[test]
    fn undo_leads_back_and_redo_forth(
        edits in proptest::collection::vec((0_usize..30, 0_usize..4, "[a-z]{0,3}", any::<bool>()), 1..20),
    ) {
        let mut world = World::new(&[0], "begin");
        let mut contents = vec!["begin".to_owned()];
        for (at, len, text, flush) in edits {
            let draft = &mut world.screens[0].draft;
            let at = at % (draft.len() + 1);
            draft.splice(at, len.min(draft.len() - at), &text).unwrap();
            draft.end_undo_step();
            if draft.content() != *contents.last().unwrap() {
                contents.push(draft.content());
            }
            if flush {
                world.flush(0, false);
            }
        }
        let end = contents.last().unwrap().clone();
        while world.screens[0].draft.undo() {
            world.flush(0, false);
        }
        prop_assert_eq!(world.screens[0].draft.content(), "begin");
        while world.screens[0].draft.redo() {}
        prop_assert_eq!(world.screens[0].draft.content(), end);
    }
}

#[test]
fn undo_takes_back_what_one_typed_oneself_and_leaves_the_rest() {
    let mut world = World::new(&[0, 1], "one three");
    world.screens[0].draft.insert(4, "two ").unwrap();
    world.screens[0].seen = "one two three".chars().collect();
    world.screens[1].draft.insert(9, " four").unwrap();
    world.screens[1].seen = "one three four".chars().collect();
    world.flush(0, false);
    world.flush(1, false);
    world.exchange();
    assert_eq!(world.screens[0].draft.content(), "one two three four");
    assert!(world.screens[0].draft.undo());
    assert_eq!(world.screens[0].draft.content(), "one three four");
    assert!(!world.screens[0].draft.undo());
    assert!(world.screens[0].draft.redo());
    world.screens[0].seen = "one two three four".chars().collect();
    assert_eq!(world.finish().as_str(), "one two three four");
}

#[test]
fn a_cursor_stays_with_its_character() {
    let mut world = World::new(&[0, 1], "hello world");
    let draft = &mut world.screens[0].draft;
    let cursor = draft.cursor(6).unwrap();
    draft.insert(0, "oh, ").unwrap();
    assert_eq!(draft.position(&cursor), Some(10));
    let typed = draft.cursor(1).unwrap();
    world.screens[0].seen = "oh, hello world".chars().collect();
    world.screens[1].draft.delete(0, 8).unwrap();
    world.screens[1].seen = "rld".chars().collect();
    world.flush(0, false);
    world.flush(1, false);
    world.exchange();
    let draft = &mut world.screens[0].draft;
    assert_eq!(draft.content(), "oh, rld");
    // Its character is gone: where it would be.
    assert_eq!(draft.position(&cursor), Some(4));
    // One that was typed and not committed yet when it was taken.
    assert_eq!(draft.position(&typed), Some(1));
    let end = draft.cursor(7).unwrap();
    draft.insert(7, "!").unwrap();
    assert_eq!(draft.position(&end), Some(8));
    assert!(draft.cursor(9).is_err());
}

#[test]
fn marks_grow_as_their_writer_says() {
    for (expand, bold) in [
        (Expand::After, (1, 4)),
        (Expand::Before, (0, 3)),
        (Expand::Both, (0, 4)),
        (Expand::None, (1, 3)),
    ] {
        let mut world = World::new(&[0], "ab");
        let draft = &mut world.screens[0].draft;
        draft.mark((0, 2), "bold", true, expand).unwrap();
        draft.insert(2, "c").unwrap();
        draft.insert(0, "<").unwrap();
        world.screens[0].seen = "<abc".chars().collect();
        let text = world.finish();
        let span = Span {
            from: bold.0,
            to: bold.1,
            name: "bold".into(),
            value: Value::Bool(true),
        };
        assert_eq!(text.spans(), [span], "{expand:?}");
    }
}
