//! Which devices of a space are online, from what they say of themselves. A state machine: the
//! time is passed in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dxos_keys::DeviceKey;

/// How often a device says that it is there.
pub(crate) const BEACON_INTERVAL: Duration = Duration::from_secs(10);
/// For how long a device counts as online after it said so.
pub(crate) const OFFLINE_AFTER: Duration = Duration::from_secs(20);
/// What one device may send without a pause.
const BURST: u32 = 64;
/// What it may send in a second after that.
const PER_SECOND: u32 = 32;
/// How far a message may come behind later ones of its device.
const WINDOW: u64 = 128;

/// What is known of the devices of one space's members. It never grows beyond them.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    devices: BTreeMap<DeviceKey, Heard>,
}

/// What became of something that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is to be taken in and passed on.
    New,
    /// It came before, or far too late.
    Known,
    /// Its device is no member's.
    Stranger,
    /// Its device sends too much.
    Excess,
}

/// What a device says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beacon {
    /// It is online.
    Here,
    /// It is about to go.
    Leaving,
}

#[derive(Debug, Default)]
struct Heard {
    window: Window,
    /// The number of the newest beacon.
    beacon: Option<u64>,
    online_until: Option<Duration>,
    budget: Option<Budget>,
}

/// The numbers that came, the newest [`WINDOW`] of them one by one.
#[derive(Debug, Default)]
struct Window {
    newest: Option<u64>,
    /// Bit `n` stands for `newest - n`.
    came: u128,
}

impl Window {
    fn is_new(&self, seq: u64) -> bool {
        match self.newest {
            None => true,
            Some(newest) if seq > newest => true,
            Some(newest) => {
                let behind = newest - seq;
                behind < WINDOW && self.came & (1 << behind) == 0
            }
        }
    }

    fn take(&mut self, seq: u64) {
        match self.newest {
            Some(newest) if seq <= newest => {
                let behind = newest - seq;
                if behind < WINDOW {
                    self.came |= 1 << behind;
                }
            }
            newest => {
                let ahead = newest.map_or(WINDOW, |newest| seq - newest);
                let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
                self.came = self.came.checked_shl(shift).unwrap_or(0) | 1;
                self.newest = Some(seq);
            }
        }
    }
}

/// What a device may still send.
#[derive(Debug)]
struct Budget {
    left: u32,
    /// When it was last added to.
    at: Duration,
}

impl Budget {
    const fn full(now: Duration) -> Self {
        Self {
            left: BURST,
            at: now,
        }
    }

    fn spend(&mut self, now: Duration) -> bool {
        let earned = now.saturating_sub(self.at).as_millis() * u128::from(PER_SECOND) / 1000;
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(earned).min(BURST);
            self.at = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

impl Presence {
    /// Says which devices the members have. Returns whether one that was online is none of them
    /// any more.
    pub(crate) fn set_devices(&mut self, devices: &BTreeSet<DeviceKey>) -> bool {
        let before = self.online().count();
        self.devices.retain(|device, _| devices.contains(device));
        for device in devices {
            self.devices.entry(*device).or_default();
        }
        self.online().count() != before
    }

    /// What is to become of a message, before its signature is checked. Changes nothing.
    pub(crate) fn look(&self, device: &DeviceKey, seq: u64) -> Verdict {
        match self.devices.get(device) {
            None => Verdict::Stranger,
            Some(heard) if heard.window.is_new(seq) => Verdict::New,
            Some(_) => Verdict::Known,
        }
    }

    /// Takes in a message that the device has signed.
    pub(crate) fn take(&mut self, now: Duration, device: &DeviceKey, seq: u64) -> Verdict {
        let looked = self.look(device, seq);
        let (Verdict::New, Some(heard)) = (looked, self.devices.get_mut(device)) else {
            return looked;
        };
        let budget = heard.budget.get_or_insert_with(|| Budget::full(now));
        if !budget.spend(now) {
            return Verdict::Excess;
        }
        heard.window.take(seq);
        Verdict::New
    }

    /// Takes in what a message that was new says of its device. Returns whether that changes who
    /// is online.
    pub(crate) fn heard(
        &mut self,
        now: Duration,
        device: &DeviceKey,
        seq: u64,
        beacon: Beacon,
    ) -> bool {
        let Some(heard) = self.devices.get_mut(device) else {
            return false;
        };
        if heard.beacon >= Some(seq) {
            return false;
        }
        heard.beacon = Some(seq);
        let before = heard.online_until.is_some();
        heard.online_until = match beacon {
            Beacon::Here => Some(now.saturating_add(OFFLINE_AFTER)),
            Beacon::Leaving => None,
        };
        before != heard.online_until.is_some()
    }

    /// Notices who has not been heard of for too long. Returns whether there was somebody.
    pub(crate) fn tick(&mut self, now: Duration) -> bool {
        let mut changed = false;
        for heard in self.devices.values_mut() {
            if heard.online_until.is_some_and(|until| until <= now) {
                heard.online_until = None;
                changed = true;
            }
        }
        changed
    }

    /// When somebody will not have been heard of for too long.
    pub(crate) fn next_tick(&self) -> Option<Duration> {
        let devices = self.devices.values();
        devices.filter_map(|heard| heard.online_until).min()
    }

    /// The devices that are online.
    pub(crate) fn online(&self) -> impl Iterator<Item = DeviceKey> + '_ {
        let devices = self.devices.iter();
        let online = devices.filter(|(_, heard)| heard.online_until.is_some());
        online.map(|(device, _)| *device)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn device(n: u8) -> DeviceKey {
        DeviceKey::from_bytes([n; 32])
    }

    #[derive(Clone, Debug)]
    enum Step {
        Devices(BTreeSet<u8>),
        Hear(u8, u64, bool),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            1 => proptest::collection::btree_set(0_u8..4, 0..4).prop_map(Step::Devices),
            6 => (0_u8..5, 0_u64..12, any::<bool>())
                .prop_map(|(device, seq, here)| Step::Hear(device, seq, here)),
            3 => (0_u64..15_000).prop_map(Step::Wait),
        ]
    }

    /// What a reader of the rules expects of one device.
    #[derive(Clone, Debug, Default)]
    struct Expected {
        seen: BTreeSet<u64>,
        /// The newest beacon: its number, whether it said here, when it came.
        newest: Option<(u64, bool, u64)>,
    }

    proptest! {
        #[test]
        fn who_said_so_last_and_lately_is_online_and_nobody_else(
            steps in proptest::collection::vec(step(), 0..60),
        ) {
            let mut presence = Presence::default();
            let mut expected: BTreeMap<u8, Expected> = BTreeMap::new();
            let mut now_ms = 0;
            for step in steps {
                let before: BTreeSet<_> = presence.online().collect();
                let mut changed = false;
                match step {
                    Step::Devices(devices) => {
                        changed = presence.set_devices(&devices.iter().map(|n| device(*n)).collect());
                        expected.retain(|n, _| devices.contains(n));
                        for n in devices {
                            expected.entry(n).or_default();
                        }
                    }
                    Step::Hear(n, seq, here) => {
                        let now = Duration::from_millis(now_ms);
                        let verdict = presence.take(now, &device(n), seq);
                        let beacon = if here { Beacon::Here } else { Beacon::Leaving };
                        match expected.get_mut(&n) {
                            None => prop_assert_eq!(verdict, Verdict::Stranger),
                            Some(expected) if expected.seen.contains(&seq) => {
                                prop_assert_eq!(verdict, Verdict::Known);
                            }
                            Some(expected) => {
                                prop_assert_eq!(verdict, Verdict::New);
                                expected.seen.insert(seq);
                                changed = presence.heard(now, &device(n), seq, beacon);
                                if expected.newest.is_none_or(|(newest, ..)| newest < seq) {
                                    expected.newest = Some((seq, here, now_ms));
                                }
                            }
                        }
                    }
                    Step::Wait(ms) => {
                        now_ms += ms;
                        changed = presence.tick(Duration::from_millis(now_ms));
                    }
                }
                let after: BTreeSet<_> = presence.online().collect();
                prop_assert_eq!(changed, before != after);
                let online = expected.iter().filter(|(_, expected)| {
                    expected
                        .newest
                        .is_some_and(|(_, here, at)| here && now_ms < at + 20_000)
                });
                prop_assert_eq!(after, online.map(|(n, _)| device(*n)).collect::<BTreeSet<_>>());
                prop_assert!(presence.devices.len() <= expected.len());
                let next = presence.next_tick();
                prop_assert!(next.is_none_or(|next| next > Duration::from_millis(now_ms)));
            }
        }

        #[test]
        fn each_number_is_new_once_whatever_the_order(
            numbers in proptest::collection::vec(prop_oneof![0_u64..400, any::<u64>()], 1..80),
        ) {
            let mut window = Window::default();
            let mut taken = BTreeSet::new();
            for seq in numbers {
                let new = window.is_new(seq);
                prop_assert!(!(new && taken.contains(&seq)));
                let newest = taken.iter().next_back().copied();
                // What is within the window and did not come is never taken for known.
                if newest.is_none_or(|newest| seq.saturating_add(WINDOW) > newest) {
                    prop_assert_eq!(new, !taken.contains(&seq));
                }
                if new {
                    window.take(seq);
                    taken.insert(seq);
                }
            }
        }
    }

    #[test]
    fn a_device_that_sends_too_much_is_not_passed_on() {
        let mut presence = Presence::default();
        presence.set_devices(&[device(1), device(2)].into());
        let now = Duration::from_secs(5);
        let mut take = |now, n, seq| presence.take(now, &device(n), seq);
        for seq in 0..64 {
            assert_eq!(take(now, 1, seq), Verdict::New);
        }
        assert_eq!(take(now, 1, 64), Verdict::Excess);
        assert_eq!(take(now, 2, 64), Verdict::New);
        // It was not taken in and may come again, when there is room.
        let later = now + Duration::from_secs(1);
        for seq in 64..96 {
            assert_eq!(take(later, 1, seq), Verdict::New);
        }
        assert_eq!(take(later, 1, 96), Verdict::Excess);
    }
}
