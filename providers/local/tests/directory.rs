//! `local_directory` through the contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use retrue_provider_api::{Category, Effect, Outcome, Reversibility, Value};
use support::{World, applied, not_applied, null};

async fn world() -> World {
    World::new("local_directory").await
}

fn text(text: &str) -> Value {
    Value::from(text)
}

/// Mode, user, group, time, and bytes or target.
type Sight = (u32, u32, u32, (i64, i64), Vec<u8>);

/// Everything that there is to see in a directory.
fn picture(directory: &Path) -> BTreeMap<Vec<u8>, Sight> {
    walkdir::WalkDir::new(directory)
        .into_iter()
        .map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let content = if metadata.is_symlink() {
                fs_err::read_link(entry.path()).unwrap().as_os_str().as_bytes().to_vec()
            } else if metadata.is_file() {
                fs_err::read(entry.path()).unwrap()
            } else {
                Vec::new()
            };
            let time = (metadata.mtime(), metadata.mtime_nsec());
            let key = entry.path().as_os_str().as_bytes().to_vec();
            (key, (metadata.mode(), metadata.uid(), metadata.gid(), time, content))
        })
        .collect()
}

#[tokio::test]
async fn create_update_delete_and_back() {
    let world = world().await;
    let path = world.path("d");
    let config = world.config(&[("path", text("d/")), ("mode", text("0750")), ("owner", text("1"))]).await;
    let made = world.step(&null(), &config).await.unwrap();
    let metadata = fs_err::metadata(&path).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o750, 1));
    assert_eq!(world.entries(), ["d"]);
    let read = world.read(&made.state, &config).await.unwrap().unwrap();
    assert_eq!(read, made.state);
    assert_eq!(world.plan(&read, &config).await.unwrap().planned, read);
    assert_eq!(world.find(&config).await.unwrap().unwrap(), made.state);

    let config = world.config(&[("path", text("d")), ("mode", text("2700")), ("group", text("2"))]).await;
    let changed = world.step(&read, &config).await.unwrap();
    let metadata = fs_err::metadata(&path).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.uid(), metadata.gid()), (0o2700, 1, 2), "the owner stays");
    assert_eq!(applied(world.undo(&changed).await), read);
    assert_eq!(fs_err::metadata(&path).unwrap().mode() & 0o7777, 0o750);

    let deleted = world.step(&read, &null()).await.unwrap();
    assert!(!path.exists());
    assert!(applied(world.apply(world.change(Effect::Delete, &null(), &read, &null())).await).is_null());
    assert_eq!(applied(world.undo(&deleted).await), read);
    let metadata = fs_err::metadata(&path).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.uid()), (0o750, 1));
    assert!(applied(world.undo(&made).await).is_null());
    assert!(world.entries().is_empty());
}

#[tokio::test]
async fn a_new_one_has_the_mode_that_the_umask_leaves() {
    let world = world().await;
    let made = world.create(&[("path", text("d"))]).await;
    fs_err::create_dir(world.path("like")).unwrap();
    let like = fs_err::metadata(world.path("like")).unwrap().mode() & 0o755;
    assert_eq!(fs_err::metadata(world.path("d")).unwrap().mode() & 0o7777, like);
    assert_eq!(made.state.get("mode"), Some(&text(&format!("{like:04o}"))));
}

#[tokio::test]
async fn one_with_something_in_it_is_not_deleted() {
    let world = world().await;
    let made = world.create(&[("path", text("d"))]).await;
    for name in ["a", "b", "c", "e", "f"] {
        fs_err::write(world.path("d").join(name), "").unwrap();
    }
    let change = world.change(Effect::Delete, &null(), &made.state, &null());
    let error = not_applied(world.apply(change).await);
    assert_eq!(error.category, Category::Conflict);
    assert!(error.message.contains("a, b, c and 2 more"), "{}", error.message);
    assert!(error.message.contains("recursive"), "{}", error.message);
    assert_eq!(support::entries(&world.path("d")).len(), 5);
}

#[tokio::test]
async fn a_tree_is_deleted_and_brought_back_byte_for_byte() {
    let world = world().await;
    let made = world.create(&[("path", text("d")), ("recursive", Value::from(true)), ("mode", text("0700"))]).await;
    let directory = world.path("d");
    fs_err::create_dir_all(directory.join("sub/empty")).unwrap();
    fs_err::write(directory.join("binary"), [0xff; 5000]).unwrap();
    fs_err::write(directory.join(std::ffi::OsStr::from_bytes(b"sub/n\xffame")), "x").unwrap();
    fs_err::write(directory.join("sub/readonly"), "y").unwrap();
    std::os::unix::fs::chown(directory.join("sub/readonly"), Some(7), Some(8)).unwrap();
    fs_err::set_permissions(directory.join("sub/readonly"), std::fs::Permissions::from_mode(0o4410)).unwrap();
    symlink("../nowhere", directory.join("sub/link")).unwrap();
    fs_err::set_permissions(directory.join("sub"), std::fs::Permissions::from_mode(0o555)).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    for name in ["sub/empty", "sub", "binary", ""] {
        std::fs::File::open(directory.join(name)).unwrap().set_modified(old).unwrap();
    }
    let before = picture(&directory);

    let planned = world.plan(&made.state, &null()).await.unwrap();
    assert_eq!(planned.reversibility, Reversibility::Full);
    let deleted = world.step(&made.state, &null()).await.unwrap();
    assert!(world.entries().is_empty());
    assert_eq!(world.blobs.count(), 1);
    assert_eq!(applied(world.undo(&deleted).await), made.state);
    assert_eq!(picture(&directory), before);
    let again = not_applied(world.undo(&deleted).await);
    assert_eq!(again.category, Category::Conflict, "what is back is not made again");
    assert_eq!(picture(&directory), before);
}

#[tokio::test]
async fn what_cannot_be_kept_is_told_before() {
    let world = world().await;
    let made = world.create(&[("path", text("d")), ("recursive", Value::from(true))]).await;
    let reversibility = async || world.plan(&made.state, &null()).await.unwrap().reversibility;
    assert_eq!(reversibility().await, Reversibility::Full);

    let full = world.plan(&made.state, &null()).await.unwrap();
    // Sparse: large to look at, and nothing on the disk.
    let large = std::fs::File::create(world.path("d").join("large")).unwrap();
    large.set_len(65 * 1024 * 1024).unwrap();
    let Reversibility::Lossy(reason) = reversibility().await else { panic!("lossy") };
    assert!(reason.contains("65 MiB") && reason.contains("64 MiB"), "{reason}");

    let mut change = world.change(Effect::Delete, &null(), &made.state, &null());
    change.planned_private = full.planned_private;
    let error = not_applied(world.apply(change.clone()).await);
    assert!(error.message.contains("has grown since it was planned"), "{}", error.message);

    let image = world.image(Some(Effect::Delete), &made.state, &null(), &null()).await.unwrap();
    assert!(image.blobs.is_empty());
    change.planned_private = Default::default();
    assert!(applied(world.apply(change).await).is_null());
    assert!(world.entries().is_empty());

    let made = world.create(&[("path", text("d")), ("recursive", Value::from(true))]).await;
    let pipe = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, world.path("d").join("pipe"), pipe, mode, 0).unwrap();
    let response = world.plan(&made.state, &null()).await.unwrap();
    assert!(matches!(&response.reversibility, Reversibility::Lossy(reason) if reason.contains("named pipe")));

    // What can be kept beside it is kept, and if it grows too large, it does not go unasked.
    fs_err::write(world.path("d/keep"), "x").unwrap();
    let image = world.image(Some(Effect::Delete), &made.state, &null(), &null()).await.unwrap();
    assert_eq!(image.blobs.len(), 1);
    fs_err::File::create(world.path("d/large")).unwrap().set_len(65 << 20).unwrap();
    let mut change = world.change(Effect::Delete, &null(), &made.state, &null());
    change.planned_private = response.planned_private;
    let error = not_applied(world.apply(change).await);
    assert!(error.message.contains("has grown since it was planned"), "{}", error.message);
}

#[tokio::test]
async fn what_is_no_directory_is_in_the_way() {
    let world = world().await;
    fs_err::write(world.path("file"), "x").unwrap();
    fs_err::create_dir(world.path("real")).unwrap();
    symlink("real", world.path("link")).unwrap();
    for name in ["file", "link", "link/"] {
        let config = world.config(&[("path", text(name)), ("recursive", Value::from(true))]).await;
        assert_eq!(world.find(&config).await.unwrap_err().category, Category::Conflict);
        for effect in [Effect::Create, Effect::Update, Effect::Delete] {
            let change = world.change(effect, &config, &config, &config);
            assert_eq!(not_applied(world.apply(change).await).category, Category::Conflict);
        }
    }
    assert_eq!(world.entries(), ["file", "link", "real"]);
}

#[tokio::test]
async fn the_directory_around_it_must_exist() {
    let world = world().await;
    let config = world.config(&[("path", text("a/b"))]).await;
    let Err(Outcome::NotApplied(error)) = world.step(&null(), &config).await else { panic!("not applied") };
    assert_eq!(error.category, Category::NotFound);
    let there = world.create(&[("path", text("a"))]).await;
    let change = world.change(Effect::Create, &there.state, &null(), &there.state);
    assert_eq!(not_applied(world.apply(change).await).category, Category::Conflict);
}

#[tokio::test]
async fn an_interrupted_change_is_tidied() {
    let world = world().await;
    let made = world.create(&[("path", text("d"))]).await;
    let leftover = {
        use sha2::Digest;
        let hash: String = sha2::Sha256::digest(b"d").iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        world.path(&format!(".retrue-{hash}"))
    };
    fs_err::create_dir_all(leftover.join("half/full")).unwrap();
    world.provider.recover(&world.context, world.request(&made.state, &null())).await.unwrap();
    assert_eq!(world.entries(), ["d"]);
}
