//! `local_file` through the contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::{Duration, Instant, SystemTime};

use retrue_provider_api::{Category, Effect, Outcome, Path, Reversibility, Type, Value};
use support::{World, applied, not_applied, null};

async fn world() -> World {
    World::new("local_file").await
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn mode(path: &std::path::Path) -> u32 {
    fs_err::metadata(path).unwrap().mode() & 0o7777
}

fn get<'v>(state: &'v Value, name: &str) -> Option<&'v str> {
    state.get(name).unwrap().as_str()
}

#[tokio::test]
async fn create_update_delete_and_back() {
    let world = world().await;
    let path = world.path("f");
    let config = world.config(&[("path", text("f")), ("content", text("one"))]).await;
    let made = world.step(&null(), &config).await.unwrap();
    assert_eq!(fs_err::read(&path).unwrap(), b"one");
    assert_eq!(get(&made.state, "path"), Some("f"), "as it was written");
    assert_eq!(get(&made.state, "owner"), Some("root"));
    assert_eq!(made.state.get("size"), Some(&Value::from(3i64)));

    let read = world.read(&made.state, &config).await.unwrap().unwrap();
    assert_eq!(read, made.state, "what is read is what was applied");
    assert_eq!(world.plan(&read, &config).await.unwrap().planned, read, "and planned again, nothing changes");

    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
    let before = world.read(&made.state, &config).await.unwrap().unwrap();
    let config = world.config(&[("path", text("f")), ("content", text("two")), ("mode", text("0600"))]).await;
    let changed = world.step(&before, &config).await.unwrap();
    assert_eq!((fs_err::read(&path).unwrap(), mode(&path)), (b"two".to_vec(), 0o600));

    let deleted = world.step(&changed.state, &null()).await.unwrap();
    assert!(!path.exists() && deleted.state.is_null());
    let again = world.change(Effect::Delete, &null(), &changed.state, &null());
    assert!(applied(world.apply(again).await).is_null(), "deleting what is gone is applied");

    assert_eq!(applied(world.undo(&deleted).await), changed.state);
    assert_eq!((fs_err::read(&path).unwrap(), mode(&path)), (b"two".to_vec(), 0o600));
    assert_eq!(applied(world.undo(&changed).await), before);
    assert_eq!((fs_err::read(&path).unwrap(), mode(&path)), (b"one".to_vec(), 0o604));
    assert!(applied(world.undo(&made).await).is_null());
    assert!(world.entries().is_empty());
}

#[tokio::test]
async fn undo_of_a_binary_file_is_byte_for_byte_with_owner_mode_time_and_attributes() {
    let world = world().await;
    let path = world.path("f");
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    fs_err::write(&path, &bytes).unwrap();
    std::os::unix::fs::chown(&path, Some(12345), Some(54321)).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let labelled = rustix::fs::setxattr(&path, "user.k", b"v", rustix::fs::XattrFlags::empty()).is_ok();

    let config = world.config(&[("path", text("f")), ("content", text("new")), ("owner", text("1"))]).await;
    let found = world.find(&config).await.unwrap().unwrap();
    assert!(found.get("content").unwrap().is_null(), "bytes that are no text show as size and hash");
    assert_eq!(found.get("size"), Some(&Value::from(3_000_000i64)));
    assert_eq!(get(&found, "owner"), Some("12345"));

    let step = world.step(&found, &config).await.unwrap();
    assert_eq!(world.blobs.count(), 1);
    let metadata = fs_err::metadata(&path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (1, 54321, 0o604), "what is not set stays");

    let back = applied(world.undo(&step).await);
    assert_eq!(back, found);
    let metadata = fs_err::metadata(&path).unwrap();
    assert!(fs_err::read(&path).unwrap() == bytes);
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (12345, 54321, 0o604));
    assert_eq!(metadata.modified().unwrap(), time);
    if labelled {
        let mut value = [0; 8];
        assert_eq!(rustix::fs::getxattr(&path, "user.k", &mut value).unwrap(), 1);
    }
    assert_eq!(applied(world.undo(&step).await), found, "an undo twice is the same");
    assert_eq!(world.entries(), ["f"]);
}

#[tokio::test]
async fn a_change_of_mode_alone_touches_no_bytes() {
    let world = world().await;
    let path = world.path("f");
    fs_err::write(&path, [0xff; 100]).unwrap();
    fs_err::write(world.path("source"), [0xff; 100]).unwrap();
    let before = fs_err::metadata(&path).unwrap();
    let config = world.config(&[("path", text("f")), ("source", text("source")), ("mode", text("4711"))]).await;
    let found = world.find(&config).await.unwrap().unwrap();
    assert_eq!(get(&found, "source"), Some("source"), "the bytes are those of the source");
    let step = world.step(&found, &config).await.unwrap();
    assert_eq!(world.blobs.count(), 0, "what stays is not kept");
    let now = fs_err::metadata(&path).unwrap();
    assert_eq!(
        (now.ino(), now.mode() & 0o7777, now.modified().unwrap()),
        (before.ino(), 0o4711, before.modified().unwrap())
    );
    assert_eq!(applied(world.undo(&step).await), found);
    assert_eq!(fs_err::metadata(&path).unwrap().ino(), before.ino());
    assert_eq!(mode(&path), before.mode() & 0o7777);
}

#[tokio::test]
async fn a_source_is_copied_and_its_drift_is_seen() {
    let world = world().await;
    fs_err::write(world.path("source"), b"\xff\x00binary").unwrap();
    let config = world.config(&[("path", text("f")), ("source", text("./source"))]).await;
    let made = world.step(&null(), &config).await.unwrap();
    assert_eq!(fs_err::read(world.path("f")).unwrap(), b"\xff\x00binary");
    assert_eq!(get(&made.state, "source"), Some("./source"));

    fs_err::write(world.path("f"), "touched").unwrap();
    let drifted = world.read(&made.state, &config).await.unwrap().unwrap();
    assert!(drifted.get("source").unwrap().is_null(), "an attribute that is configured shows the drift");
    assert!(drifted.get("content").unwrap().is_null());
    assert_eq!(world.read(&drifted, &config).await.unwrap().unwrap(), drifted, "and goes on showing it");
    let step = world.step(&drifted, &config).await.unwrap();
    assert_eq!(fs_err::read(world.path("f")).unwrap(), b"\xff\x00binary");
    applied(world.undo(&step).await);
    assert_eq!(fs_err::read(world.path("f")).unwrap(), b"touched");

    fs_err::write(world.path("source"), "other").unwrap();
    let planned = world.plan(&made.state, &config).await.unwrap().planned;
    assert_ne!(planned.get("sha256"), made.state.get("sha256"), "a changed source is an update");
    fs_err::write(world.path("source"), "third").unwrap();
    let change = world.change(Effect::Update, &config, &made.state, &planned);
    let error = not_applied(world.apply(change).await);
    assert!(error.message.contains("since it was planned"), "{}", error.message);

    fs_err::remove_file(world.path("source")).unwrap();
    let response = world.plan(&null(), &config).await.unwrap();
    assert!(!response.planned.get("sha256").unwrap().is_known());
    assert!(response.warnings[0].contains("does not exist yet"));
    fs_err::remove_file(world.path("f")).unwrap();
    let error = not_applied(world.apply(world.change(Effect::Create, &config, &null(), &response.planned)).await);
    assert_eq!(error.path, Some(Path::attribute("source")));
    assert!(world.entries().is_empty());
}

#[tokio::test]
async fn secret_content_shows_in_no_other_attribute() {
    let world = world().await;
    let config =
        world.config(&[("path", text("f")), ("sensitive_content", text("hush")), ("mode", text("0600"))]).await;
    let made = world.step(&null(), &config).await.unwrap();
    assert!(made.state.get("content").unwrap().is_null());
    fs_err::write(world.path("f"), b"\xff").unwrap();
    let drifted = world.read(&made.state, &config).await.unwrap().unwrap();
    assert!(drifted.get("sensitive_content").unwrap().is_null());
    fs_err::write(world.path("f"), "new secret").unwrap();
    let drifted = world.read(&drifted, &config).await.unwrap().unwrap();
    assert!(drifted.get("content").unwrap().is_null());
    assert_eq!(get(&drifted, "sensitive_content"), Some("new secret"));
    let schema = world.provider.schema().await.unwrap();
    let attributes = &schema.resources.get("local_file").unwrap().block.attributes;
    assert!(attributes["sensitive_content"].sensitive);
    assert_eq!(attributes["sha256"].derived_from, ["content", "sensitive_content"]);
}

#[tokio::test]
async fn text_that_values_would_change_is_told_apart() {
    let world = world().await;
    let config = world.config(&[("path", text("f")), ("content", text("é"))]).await;
    let made = world.step(&null(), &config).await.unwrap();
    fs_err::write(world.path("f"), "e\u{301}").unwrap();
    let drifted = world.read(&made.state, &config).await.unwrap().unwrap();
    assert!(drifted.get("content").unwrap().is_null(), "the same text in another normal form is not the same bytes");
    let step = world.step(&drifted, &config).await.unwrap();
    assert_eq!(fs_err::read(world.path("f")).unwrap(), "é".as_bytes());
    applied(world.undo(&step).await);
    assert_eq!(fs_err::read(world.path("f")).unwrap(), "e\u{301}".as_bytes());
}

#[tokio::test]
async fn what_is_no_file_is_neither_followed_nor_replaced() {
    let world = world().await;
    fs_err::write(world.path("victim"), "safe").unwrap();
    symlink("victim", world.path("link")).unwrap();
    symlink("nowhere", world.path("dangling")).unwrap();
    fs_err::create_dir(world.path("directory")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        world.path("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    for (name, word) in
        [("link", "a link"), ("dangling", "a link"), ("directory", "a directory"), ("pipe", "a named pipe")]
    {
        let config = world.config(&[("path", text(name)), ("content", text("x"))]).await;
        let check = |error: retrue_provider_api::ProviderError| {
            assert_eq!(error.category, Category::Conflict);
            assert!(error.message.contains(word), "{}", error.message);
        };
        check(world.find(&config).await.unwrap_err());
        check(world.read(&config, &config).await.unwrap_err());
        check(world.import(name).await.unwrap_err());
        check(world.image(None, &config, &config, &null()).await.unwrap_err());
        let planned = world.plan(&null(), &config).await.unwrap().planned;
        for effect in [Effect::Create, Effect::Update, Effect::Delete] {
            check(not_applied(world.apply(world.change(effect, &config, &config, &planned)).await));
        }
    }
    assert_eq!(fs_err::read(world.path("victim")).unwrap(), b"safe");
    assert_eq!(world.entries(), ["dangling", "directory", "link", "pipe", "victim"]);
}

#[tokio::test]
async fn what_is_there_is_not_created_and_what_is_gone_not_updated() {
    let world = world().await;
    let config = world.config(&[("path", text("f")), ("content", text("x"))]).await;
    let planned = world.plan(&null(), &config).await.unwrap().planned;
    let update = world.change(Effect::Update, &config, &config, &planned);
    assert_eq!(not_applied(world.apply(update).await).category, Category::NotFound);
    fs_err::write(world.path("f"), "theirs").unwrap();
    let create = world.change(Effect::Create, &config, &null(), &planned);
    assert_eq!(not_applied(world.apply(create).await).category, Category::Conflict);
    assert_eq!(fs_err::read(world.path("f")).unwrap(), b"theirs");
}

#[tokio::test]
async fn paths_are_one_however_they_are_written() {
    let world = world().await;
    let made = world.create(&[("path", text("f")), ("content", text("x"))]).await;
    let config = world.config(&[("path", text("./f")), ("content", text("x"))]).await;
    assert_eq!(
        world.provider.identity("local_file", &made.state),
        world.provider.identity("local_file", &config),
        "and absolute"
    );
    let response = world.plan(&made.state, &config).await.unwrap();
    assert!(response.requires_replace.is_empty());
    let step = world.step(&made.state, &config).await.unwrap();
    assert_eq!(get(&step.state, "path"), Some("./f"));
    let config = world.config(&[("path", text("g")), ("content", text("x"))]).await;
    assert_eq!(world.plan(&made.state, &config).await.unwrap().requires_replace, [Path::attribute("path")]);
    assert_eq!(world.read(&made.state, &config).await.unwrap().unwrap().get("path"), Some(&text("f")));
    let unknown = world.config(&[("path", Value::unknown(Type::String)), ("content", text("x"))]).await;
    assert!(!world.provider.identity("local_file", &unknown).unwrap().is_known());
}

#[tokio::test]
async fn several_mistakes_are_told_at_once() {
    let world = world().await;
    let wrong = [("path", text("")), ("content", text("a")), ("source", text("b")), ("mode", text("644"))];
    let found = world.validate(&wrong).await;
    let paths: Vec<String> = found.iter().map(|found| found.path.as_ref().unwrap().to_string()).collect();
    assert_eq!(paths, ["path", "source", "mode"]);
    assert_eq!(world.validate(&[("path", text("f"))]).await.len(), 1);
    assert!(world.validate(&[("path", text("f")), ("content", Value::unknown(Type::String))]).await.is_empty());
    assert!(world.validate(&[("path", text("f")), ("content", text(""))]).await.is_empty());
    assert_eq!(world.validate(&[("path", text("f/")), ("content", text(""))]).await.len(), 1);
}

#[tokio::test]
async fn unknown_content_is_planned_as_unknown() {
    let world = world().await;
    let config = world.config(&[("path", text("f")), ("content", Value::unknown(Type::String))]).await;
    let response = world.plan(&null(), &config).await.unwrap();
    let unknown: Vec<String> = response.planned.unknown_paths().iter().map(Path::to_string).collect();
    assert_eq!(unknown, ["content", "group", "mode", "owner", "sha256", "size"]);
    assert_eq!(response.reversibility, Reversibility::Full);
}

#[tokio::test]
async fn an_interrupted_change_leaves_old_or_new_and_is_tidied() {
    let world = world().await;
    let config = world.config(&[("path", text("f")), ("content", text("x"))]).await;
    let made = world.step(&null(), &config).await.unwrap();
    // The name of the neighbour is part of the promise: recovery must find it.
    let leftover = {
        use sha2::Digest;
        let hash = sha2::Sha256::digest(b"f");
        let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        world.path(&format!(".retrue-{hash}"))
    };
    fs_err::write(&leftover, "half").unwrap();
    world.provider.recover(&world.context, world.request(&made.state, &config)).await.unwrap();
    assert_eq!(world.entries(), ["f"]);
    world.provider.recover(&world.context, world.request(&made.state, &config)).await.unwrap();
    fs_err::write(&leftover, "half").unwrap();
    world.step(&made.state, &null()).await.unwrap();
    assert!(world.entries().is_empty(), "the next change of the same path tidies, too");
}

#[tokio::test]
async fn when_it_is_time_to_stop_nothing_is_done() {
    let mut world = world().await;
    let config = world.config(&[("path", text("f")), ("content", text("x"))]).await;
    let planned = world.plan(&null(), &config).await.unwrap().planned;
    world.context.cancellation.cancel();
    let change = world.change(Effect::Create, &config, &null(), &planned);
    assert_eq!(not_applied(world.apply(change.clone()).await).message, "cancelled");
    world.context.cancellation = Default::default();
    world.context.deadline = Instant::now();
    assert_eq!(not_applied(world.apply(change).await).category, Category::TimeOut);
    assert!(world.entries().is_empty());
}

#[tokio::test]
async fn a_missing_directory_is_told() {
    let world = world().await;
    let config = world.config(&[("path", text("no/f")), ("content", text("x"))]).await;
    assert_eq!(world.find(&config).await.unwrap(), None);
    let error = match world.step(&null(), &config).await.unwrap_err() {
        Outcome::NotApplied(error) => error,
        other => panic!("{other:?}"),
    };
    assert!(error.message.contains("local_directory"), "{}", error.message);
    assert!(error.context.iter().any(|(name, value)| name == "path" && value.ends_with("no/f")));
    fs_err::write(world.path("no"), "").unwrap();
    assert_eq!(world.find(&config).await.unwrap(), None);
    assert!(
        matches!(world.step(&null(), &config).await, Err(Outcome::NotApplied(error)) if error.category == Category::Conflict)
    );
}

#[tokio::test]
async fn import_tells_all_that_is_there() {
    let world = world().await;
    fs_err::write(world.path("f"), "text").unwrap();
    fs_err::set_permissions(world.path("f"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let state = world.import("f").await.unwrap().remove(0).state;
    assert_eq!((get(&state, "content"), get(&state, "mode")), (Some("text"), Some("0640")));
    assert_eq!(world.import("g").await.unwrap_err().category, Category::NotFound);
}

#[tokio::test]
async fn an_image_must_agree_with_what_was_seen() {
    let world = world().await;
    let made = world.create(&[("path", text("f")), ("content", text("x"))]).await;
    fs_err::write(world.path("f"), "y").unwrap();
    let error = world.image(Some(Effect::Delete), &made.state, &null(), &null()).await.unwrap_err();
    assert_eq!(error.category, Category::Conflict);
}
