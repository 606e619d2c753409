//! `local_symlink` through the contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use retrue_provider_api::{Category, Effect, Path, Value};
use support::{World, applied, not_applied, null};

async fn world() -> World {
    World::new("local_symlink").await
}

async fn config(world: &World, path: &str, target: &str) -> Value {
    world.config(&[("path", Value::from(path)), ("target", Value::from(target))]).await
}

#[tokio::test]
async fn create_update_delete_and_back() {
    let world = world().await;
    let first = config(&world, "l", "nowhere/at all").await;
    let made = world.step(&null(), &first).await.unwrap();
    let target = || fs_err::read_link(world.path("l")).unwrap();
    assert_eq!(target(), OsStr::new("nowhere/at all"));
    let read = world.read(&made.state, &first).await.unwrap().unwrap();
    assert_eq!(read, made.state);
    assert_eq!(world.find(&first).await.unwrap().unwrap(), made.state);

    let second = config(&world, "l", "/etc").await;
    let changed = world.step(&read, &second).await.unwrap();
    assert_eq!(target(), OsStr::new("/etc"));
    assert_eq!(applied(world.undo(&changed).await), read);
    assert_eq!(target(), OsStr::new("nowhere/at all"));
    assert_eq!(applied(world.undo(&changed).await), read, "twice is the same");

    let deleted = world.step(&read, &null()).await.unwrap();
    assert!(world.entries().is_empty());
    assert!(applied(world.apply(world.change(Effect::Delete, &null(), &read, &null())).await).is_null());
    assert_eq!(applied(world.undo(&deleted).await), read);
    assert_eq!(target(), OsStr::new("nowhere/at all"));
    assert_eq!(not_applied(world.undo(&deleted).await).category, Category::Conflict);
    applied(world.undo(&made).await);
    assert!(world.entries().is_empty());
}

#[tokio::test]
async fn a_target_of_any_bytes_is_brought_back() {
    let world = world().await;
    let odd = OsStr::from_bytes(b"a\xffb");
    symlink(odd, world.path("l")).unwrap();
    std::os::unix::fs::lchown(world.path("l"), Some(5), Some(6)).unwrap();
    let config = config(&world, "l", "t").await;
    let found = world.find(&config).await.unwrap().unwrap();
    assert!(found.get("target").unwrap().is_null());
    let step = world.step(&found, &config).await.unwrap();
    assert_eq!(applied(world.undo(&step).await), found);
    assert_eq!(fs_err::read_link(world.path("l")).unwrap(), odd);
    use std::os::unix::fs::MetadataExt;
    assert_eq!(fs_err::symlink_metadata(world.path("l")).unwrap().uid(), 5);
    assert_eq!(world.entries(), ["l"]);
}

#[tokio::test]
async fn what_is_no_link_is_in_the_way() {
    let world = world().await;
    fs_err::write(world.path("file"), "x").unwrap();
    fs_err::create_dir(world.path("directory")).unwrap();
    for name in ["file", "directory"] {
        let config = config(&world, name, "t").await;
        assert_eq!(world.find(&config).await.unwrap_err().category, Category::Conflict);
        for effect in [Effect::Create, Effect::Update, Effect::Delete] {
            let change = world.change(effect, &config, &config, &config);
            assert_eq!(not_applied(world.apply(change).await).category, Category::Conflict);
        }
    }
    let link = config(&world, "l", "t").await;
    world.step(&null(), &link).await.unwrap();
    let change = world.change(Effect::Create, &link, &null(), &link);
    assert_eq!(not_applied(world.apply(change).await).category, Category::Conflict, "what is there is not created");
    assert_eq!(world.entries(), ["directory", "file", "l"]);
}

#[tokio::test]
async fn mistakes_and_moves() {
    let world = world().await;
    let found = world.validate(&[("path", Value::from("..")), ("target", Value::from(""))]).await;
    assert_eq!(found.len(), 2);
    let made = world.step(&null(), &config(&world, "l", "t").await).await.unwrap();
    let other = config(&world, "m", "t").await;
    assert_eq!(world.plan(&made.state, &other).await.unwrap().requires_replace, [Path::attribute("path")]);
    assert_eq!(world.import("l").await.unwrap()[0].state, made.state);
}
