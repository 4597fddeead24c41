//! What happens in a world, in which order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use dxos_actors::testing;

use crate::{Options, Report, Violation, What, World};

/// A world and what is to happen in it.
#[derive(Debug)]
pub struct Scenario {
    /// The world.
    pub world: World,
    options: Options,
    converged_after: Duration,
}

impl Scenario {
    /// The scenario of a world.
    pub const fn new(world: World, options: Options) -> Self {
        Self {
            world,
            options,
            converged_after: Duration::ZERO,
        }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// The first [`Violation`].
    pub async fn run(&mut self) -> Result<(), Violation> {
        self.world.gather().await?;
        for _ in 0..self.options.steps {
            self.step().await?;
        }
        self.world.join_late().await?;
        self.converged_after = self.world.come_to_rest(self.options.patience).await?;
        self.world.tell(What::OneState, &[]);
        self.world.check_all().await
    }

    /// One step: somebody writes or something breaks, and a while passes.
    async fn step(&mut self) -> Result<(), Violation> {
        let world = &mut self.world;
        world.counts.steps += 1;
        for index in 0..world.peers.len() {
            if world.peer(index)?.life.is_none() && world.draw.percent(20) {
                world.start_and_check(index).await?;
            }
        }
        let running = world.running();
        if let Some(index) = world.draw.pick(&running) {
            match world.draw.below(100) {
                0..=44 => world.edit(index).await?,
                45..=47 if world.has_epochs => world.step_epoch(index).await?,
                45..=46 => world.make_image().await?,
                47 => world.restore_image().await?,
                48..=49 => world.fill_disk(index)?,
                50..=51 => world.set_clock(index)?,
                52..=64 => {
                    for index in running {
                        world.edit(index).await?;
                    }
                }
                65..=68 => world.flush(index).await?,
                69..=73 => world.partition(),
                74..=79 => world.mend(),
                80..=83 => world.change_link(),
                84..=86 => world.drop_connections(),
                87..=91 => world.toggle_online(index).await?,
                92..=97 => world.crash(index).await?,
                _ => world.restart(index).await?,
            }
            if world.has_epochs && world.draw.percent(8) {
                world.step_epoch(index).await?;
            }
            if world.draw.percent(25) {
                world.step_outcast().await?;
            }
        }
        world.look_at_receipts().await?;
        let pause = match world.draw.below(20) {
            0..=5 => Duration::ZERO,
            6..=16 => world.draw.millis(1, 400),
            17 | 18 => world.draw.millis(400, 3_000),
            // Long enough for what waits for silence.
            _ => world.draw.millis(3_000, 40_000),
        };
        world.sleep(pause).await;
        world.look_at_receipts().await?;
        for peer in &world.peers {
            peer.check()?;
        }
        Ok(())
    }
}

/// Runs the world of a seed on this thread. To be called outside of a runtime.
pub fn run(seed: u64, options: &Options) -> Report {
    let options = options.clone();
    let scenario = move |given: testing::World| async move {
        let world = World::new(&given.seeds, &given.clock, &options);
        let mut scenario = Scenario::new(world, options);
        let violation = scenario.run().await.err();
        Report {
            seed,
            hash: scenario.world.hash(),
            counts: scenario.world.counts(),
            virtual_time: given.clock.now(),
            converged_after: scenario.converged_after,
            timeline: scenario.world.timeline(),
            violation,
        }
    };
    let ran = catch_unwind(AssertUnwindSafe(|| testing::run(seed, scenario)));
    ran.unwrap_or_else(|panic| Report {
        seed,
        hash: String::new(),
        counts: crate::Counts::default(),
        virtual_time: Duration::ZERO,
        converged_after: Duration::ZERO,
        timeline: crate::Timeline::default(),
        violation: Some(Violation::Panicked {
            text: panic_text(&*panic),
        }),
    })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it said nothing").to_owned()
}
