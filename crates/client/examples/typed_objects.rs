//! Structs as objects of a space: added, changed, queried and followed live.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use dxos_client::{
    Client, ClientOptions, Counter, EchoObject, Filter, JsonSchema, ObjectError, Ref, Set,
    Timestamp, TransactionError, TypedTx as _, map,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EchoObject)]
#[echo(type = "example.com/type/Person", version = "0.1.0")]
struct Person {
    name: String,
}

/// What stands inside an object needs a schema only.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Place {
    city: String,
    street: Option<String>,
}

#[derive(Serialize, Deserialize, EchoObject)]
#[echo(type = "example.com/type/Task", version = "0.1.0")]
struct Task {
    title: String,
    done: bool,
    due: Option<Timestamp>,
    place: Option<Place>,
    owner: Option<Ref<Person>>,
    // Merge when several change them at once.
    views: Counter,
    tags: Set<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = tempfile::tempdir()?;
    let client = Client::new(ClientOptions::new().profile(home.path()).offline());
    client.initialize().await?;
    client.halo().create_identity("Ann").await?;
    let space = client
        .echo()
        .create_space(map! { "name" => "Home" })
        .await?;
    let db = space.db();

    let ann = db.add(Person { name: "Ann".into() }).await?;
    let task = Task {
        title: "Water the plants".into(),
        done: false,
        due: Some(std::time::SystemTime::now().into()),
        place: Some(Place {
            city: "Riga".into(),
            street: None,
        }),
        owner: Some(ann),
        views: Counter::new(0),
        tags: ["home".to_owned()].into(),
    };
    let task = db.add(task).await?;

    // A handle that follows the object, whoever changes it.
    let mut live = db.live(task).await?;
    db.update(task, |task| {
        task.views += 1;
        task.tags.insert("green".into());
    })
    .await?;
    let shown = live.get()?.ok_or("it was just added")?;
    println!("{}: {} views, {:?}", shown.title, *shown.views, *shown.tags);

    // Several objects at once, or none at all.
    db.transaction(move |tx| {
        let bob = tx.create(Person { name: "Bob".into() })?;
        tx.change(task, |task| task.owner = Some(bob))
    })
    .await
    .map_err(|error: TransactionError<ObjectError>| error)?;

    let open = db.objects::<Task>().filter(Filter::eq("done", false));
    for task in open.order_by("due").run().await? {
        let owner = task.owner.ok_or("it has an owner")?;
        let owner = db.get(owner).await?.ok_or("owners are kept")?;
        let place = task.place.as_ref().map_or("", |place| &place.city);
        println!("{} has to {} in {place}", owner.name, task.title);
    }

    // The same object without its struct.
    let object = db.get(task.object()).await?.ok_or("it is still there")?;
    println!("{}", object.to_json());
    client.destroy().await?;
    Ok(())
}
