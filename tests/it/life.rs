//! The life of a client.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use dxos_client::{ClientError, Confirm, Filter, HaloError, Profile, Status, map};

use crate::support::{options, start, within};

#[tokio::test]
async fn it_is_initialized_once_destroyed_again_and_initialized_anew() {
    let home = tempfile::tempdir().unwrap();
    let client = options(home.path()).build();
    let early = client.echo().create_space(map! {}).await.unwrap_err();
    assert_eq!(early, ClientError::NotInitialized);
    assert_eq!(
        (client.initialized(), client.status()),
        (false, Status::Inactive)
    );
    let (one, two) = tokio::join!(client.initialize(), client.initialize());
    assert_eq!((one, two), (Ok(()), Ok(())));
    client.initialize().await.unwrap();
    assert_eq!(client.status(), Status::Active);
    client.halo().create_identity("Ann").await.unwrap();
    let twice = client
        .halo()
        .create_identity(Profile::default())
        .await
        .unwrap_err();
    assert!(
        matches!(twice, ClientError::Halo(HaloError::IdentityExists { .. })),
        "{twice}"
    );
    let space = client
        .echo()
        .create_space(map! { "name" => "Home" })
        .await
        .unwrap();
    let (one, two) = tokio::join!(client.destroy(), client.destroy());
    assert_eq!((one, two), (Ok(()), Ok(())));
    let late = space.db().add(("task", map! {})).await.unwrap_err();
    assert_eq!(late, ClientError::NotInitialized.into());
    client.initialize().await.unwrap();
    assert_eq!(client.echo().spaces().await.unwrap().len(), 1);
    space.db().add(("task", map! {})).await.unwrap();
    client.destroy().await.unwrap();
}

#[tokio::test]
async fn a_reset_wipes_the_profile_and_nothing_else_and_ends_the_client() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("p");
    let client = start(&profile, "Ann").await;
    std::fs::write(profile.join("mine.txt"), "keep").unwrap();
    client.reset(Confirm::WipeProfile).await.unwrap();
    assert_eq!(client.initialize().await, Err(ClientError::Reset));
    assert_eq!(client.halo().identity().await, Err(ClientError::Reset));
    let left: Vec<_> = std::fs::read_dir(&profile)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["mine.txt"]);
    let anew = options(&profile).build();
    anew.initialize().await.unwrap();
    assert_eq!(anew.halo().identity().await, Ok(None));
}

#[tokio::test]
async fn dropping_it_lets_go_of_everything() {
    let home = tempfile::tempdir().unwrap();
    let client = start(home.path(), "Ann").await;
    let space = client.echo().create_space(map! {}).await.unwrap();
    space.db().add(("task", map! {})).await.unwrap();
    let key = space.key();
    drop((client, space));
    let again = start(home.path(), "Ann").await;
    let space = again.echo().space(key).await.unwrap();
    assert_eq!(
        space
            .db()
            .query(Filter::type_name("task"))
            .run()
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn what_it_says_of_itself_holds_no_secret() {
    let home = tempfile::tempdir().unwrap();
    let client = options(home.path()).passphrase("correct horse").build();
    client.initialize().await.unwrap();
    client.halo().create_identity("Ann").await.unwrap();
    client
        .echo()
        .create_space(map! { "name" => "Home" })
        .await
        .unwrap();
    let json = client.to_json().await;
    assert_eq!(json["initialized"], true);
    assert_eq!(json["version"], client.version());
    assert_eq!(json["spaces"][0]["name"], "Home");
    assert_eq!(json["identity"]["display_name"], "Ann");
    for text in [json.to_string(), format!("{client:?}"), format!("{client}")] {
        assert!(!text.contains("correct horse"), "{text}");
    }
    assert!(client.to_string().contains("active"));
}

/// Wakes the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor there is: it knows nothing of tokio.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn it_works_from_an_executor_that_is_not_tokio() {
    let home = tempfile::tempdir().unwrap();
    block_on(async {
        let client = options(home.path()).build();
        client.initialize().await.unwrap();
        client.halo().create_identity("Ann").await.unwrap();
        let space = client.echo().create_space(map! {}).await.unwrap();
        let task = space.db().add(("task", map! { "n" => 1 })).await.unwrap();
        assert_eq!(
            space.db().get(task).await.unwrap().unwrap().get("n"),
            Some(&1.into())
        );
        client.destroy().await.unwrap();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_query_folds_to_what_running_it_again_gives() {
    let home = tempfile::tempdir().unwrap();
    let client = start(home.path(), "Ann").await;
    let space = client.echo().create_space(map! {}).await.unwrap();
    let open = || {
        space
            .db()
            .query(Filter::eq("done", false))
            .order_by("n")
            .limit(5)
    };
    let mut live = open().subscribe().await.unwrap();
    let mut made = Vec::new();
    for n in 0..40_i64 {
        made.push(
            space
                .db()
                .add(("task", map! { "n" => 40 - n, "done" => n % 3 == 0 }))
                .await
                .unwrap(),
        );
    }
    for task in made.iter().step_by(2) {
        space
            .db()
            .update(*task, |p| drop(p.insert("done".into(), true.into())))
            .await
            .unwrap();
    }
    space.db().remove(made[3]).await.unwrap();
    let wanted = open().run().await.unwrap();
    within(async {
        while live.results() != wanted {
            live.next().await.unwrap();
        }
    })
    .await;
}
