//! A machine that refuses: no permission, no space, read-only; and kill -9 at any moment.
//!
//! The program starts itself again as another user, and in a mount namespace of its own. Where the machine
//! does not let it, the tests say so and count as ignored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use retrue_provider_api::process::guard_main_if_asked;
use retrue_provider_api::{Category, ConfigureRequest, Effect, Value};
use support::{World, applied, block_on, not_applied, null};

/// What this program is to be: `nobody DIR`, `full DIR`, `read-only DIR`, `writer DIR`.
const ROLE: &str = "HOSTILE_TEST_ROLE";

fn main() -> ExitCode {
    guard_main_if_asked();
    if let Some(role) = std::env::var_os(ROLE) {
        let role = role.into_string().unwrap();
        let (role, directory) = role.split_once(' ').unwrap();
        let directory = Path::new(directory);
        match role {
            "nobody" => as_nobody(directory),
            "full" => on_a_full_disk(directory),
            "read-only" => on_a_read_only_disk(directory),
            "writer" => writer(directory),
            other => panic!("{other}"),
        }
        return ExitCode::SUCCESS;
    }
    let root = rustix::process::geteuid().is_root();
    let mounts = root && in_namespace("true").status.success();
    if !root || !mounts {
        eprintln!("SKIPPED: root: {root}, mounts in a namespace: {mounts}; these tests count as ignored");
    }
    let trials = vec![
        Trial::test("killed_at_any_moment_the_file_is_old_or_new", || {
            killed_at_any_moment_the_file_is_old_or_new();
            Ok(())
        }),
        Trial::test("without_privilege_nothing_is_half_done", || {
            let directory = tempfile::tempdir().unwrap();
            fs_err::set_permissions(directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
            for (name, mode) in [("closed", 0o755), ("secret", 0o700)] {
                fs_err::create_dir(directory.path().join(name)).unwrap();
                fs_err::set_permissions(directory.path().join(name), PermissionsExt::from_mode(mode)).unwrap();
            }
            fs_err::write(directory.path().join("closed/theirs"), "theirs").unwrap();
            fs_err::write(directory.path().join("theirs"), "theirs").unwrap();
            passed(role("nobody", directory.path()).uid(65534).gid(65534).output().unwrap());
            assert_eq!(fs_err::read(directory.path().join("theirs")).unwrap(), b"theirs");
            Ok(())
        })
        .with_ignored_flag(!root),
        Trial::test("a_full_disk_is_told_and_nothing_lost", || {
            on_disk("full", "-t tmpfs -o size=256k none");
            Ok(())
        })
        .with_ignored_flag(!mounts),
        Trial::test("a_read_only_disk_is_told", || {
            on_disk("read-only", "-t tmpfs -o ro none");
            Ok(())
        })
        .with_ignored_flag(!mounts),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn role(role: &str, directory: &Path) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.env(ROLE, format!("{role} {}", directory.display()));
    command
}

fn passed(output: Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn in_namespace(line: &str) -> Output {
    Command::new("unshare").args(["--mount", "sh", "-c", line]).output().unwrap()
}

/// Plays a role on a disk of its own.
fn on_disk(role: &str, mount: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (place, exe) = (directory.path().display(), std::env::current_exe().unwrap());
    let line = format!("mount {mount} {place} && {ROLE}='{role} {place}' exec {}", exe.display());
    passed(in_namespace(&line));
}

/// A world in a directory that is there already.
async fn world_in(type_name: &'static str, directory: &Path) -> World {
    let world = World::new(type_name).await;
    let provider = retrue_provider_local::provider();
    let directory = directory.to_owned();
    provider.configure(ConfigureRequest { config: Value::object::<&str>([]), directory }).await.unwrap();
    World { provider, ..world }
}

async fn try_to(
    world: &World,
    effect: Effect,
    prior: &Value,
    set: &[(&str, Value)],
) -> retrue_provider_api::ProviderError {
    let config = world.config(set).await;
    let planned = if effect == Effect::Delete { null() } else { world.plan(prior, &config).await.unwrap().planned };
    not_applied(world.apply(world.change(effect, &config, prior, &planned)).await)
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn as_nobody(directory: &Path) {
    block_on(async {
        let world = world_in("local_file", directory).await;
        let file = |path: &str| vec![("path", text(path)), ("content", text("x"))];
        let error = try_to(&world, Effect::Create, &null(), &file("closed/f")).await;
        assert_eq!(error.category, Category::Authentication);
        assert!(error.message.contains("closed/f"), "{}", error.message);
        let error = world.find(&world.config(&file("secret/f")).await).await.unwrap_err();
        assert_eq!(error.category, Category::Authentication);
        let prior = world.config(&file("closed/theirs")).await;
        assert_eq!(
            try_to(&world, Effect::Delete, &prior, &file("closed/theirs")).await.category,
            Category::Authentication
        );

        let mut given = file("mine");
        given.push(("owner", text("0")));
        let error = try_to(&world, Effect::Create, &null(), &given).await;
        assert!(error.message.contains("cannot be given to user 0"), "{}", error.message);
        assert!(!directory.join("mine").exists(), "nothing is half-done");
        let mine = world.create(&file("mine")).await.state;
        let error = try_to(&world, Effect::Update, &mine, &given).await;
        assert_eq!(error.category, Category::Authentication);
        given.push(("mode", text("0600")));
        try_to(&world, Effect::Update, &mine, &given).await;
        assert_eq!(world.read(&mine, &null()).await.unwrap().unwrap(), mine);

        // Its directory may be written to, so it could be replaced; but it would not be root's any more.
        let found = world.find(&world.config(&file("theirs")).await).await.unwrap().unwrap();
        let error = try_to(&world, Effect::Update, &found, &file("theirs")).await;
        assert!(error.message.contains("cannot be given to user 0"), "{}", error.message);

        let world = world.of_type("local_directory");
        let error = try_to(&world, Effect::Create, &null(), &[("path", text("d")), ("owner", text("root"))]).await;
        assert_eq!(error.category, Category::Authentication);
        assert_eq!(
            try_to(&world, Effect::Create, &null(), &[("path", text("closed/d"))]).await.category,
            Category::Authentication
        );
        let world = world.of_type("local_symlink");
        let link = [("path", text("closed/l")), ("target", text("t"))];
        assert_eq!(try_to(&world, Effect::Create, &null(), &link).await.category, Category::Authentication);
        assert_eq!(support::entries(directory), ["closed", "mine", "secret", "theirs"]);
    });
}

fn on_a_full_disk(directory: &Path) {
    block_on(async {
        let world = world_in("local_file", directory).await;
        let small = world.create(&[("path", text("f")), ("content", text("small"))]).await.state;
        let large = "x".repeat(1_000_000);
        let error = try_to(&world, Effect::Update, &small, &[("path", text("f")), ("content", text(&large))]).await;
        assert!(error.message.contains("no space"), "{}", error.message);
        let error = try_to(&world, Effect::Create, &null(), &[("path", text("g")), ("content", text(&large))]).await;
        assert!(error.message.contains("no space") && !error.retry);
        assert_eq!(fs_err::read(directory.join("f")).unwrap(), b"small");
        assert_eq!(support::entries(directory), ["f"], "and the half that fitted is gone");
    });
}

fn on_a_read_only_disk(directory: &Path) {
    block_on(async {
        let world = world_in("local_file", directory).await;
        let error = try_to(&world, Effect::Create, &null(), &[("path", text("f")), ("content", text("x"))]).await;
        assert!(error.message.contains("read-only"), "{}", error.message);
        let world = world.of_type("local_directory");
        let error = try_to(&world, Effect::Create, &null(), &[("path", text("d"))]).await;
        assert!(error.message.contains("read-only"), "{}", error.message);
    });
}

const SIZE: usize = 300_000;

/// Writes one content after the other until it is killed.
fn writer(directory: &Path) {
    block_on(async {
        let world = world_in("local_file", directory).await;
        let content = |letter: &str| text(&letter.repeat(SIZE));
        let mut state =
            world.find(&world.config(&[("path", text("f")), ("content", content("a"))]).await).await.unwrap();
        for letter in ["b", "c"].into_iter().cycle() {
            let config =
                world.config(&[("path", text("f")), ("content", content(letter)), ("mode", text("0604"))]).await;
            let prior = state.take().unwrap_or_else(null);
            state = Some(world.step(&prior, &config).await.unwrap().state);
        }
    });
}

fn killed_at_any_moment_the_file_is_old_or_new() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f");
    for round in 0..30u64 {
        let mut writing = role("writer", directory.path()).spawn().unwrap();
        let patience = Instant::now() + Duration::from_secs(30);
        while !path.exists() {
            assert!(Instant::now() < patience);
            std::thread::sleep(Duration::from_millis(1));
        }
        // Anywhere in its work: each round a little later.
        std::thread::sleep(Duration::from_micros(round * 700));
        writing.kill().unwrap();
        writing.wait().unwrap();
        let bytes = fs_err::read(&path).unwrap();
        assert_eq!(bytes.len(), SIZE);
        assert!(bytes.iter().all(|byte| *byte == bytes[0]), "half a file");
    }
    block_on(async {
        let world = world_in("local_file", directory.path()).await;
        let state = world.import("f").await.unwrap().remove(0).state;
        world.provider.recover(&world.context, world.request(&state, &null())).await.unwrap();
        assert_eq!(support::entries(directory.path()), ["f"]);
        assert!(applied(world.apply(world.change(Effect::Delete, &null(), &state, &null())).await).is_null());
    });
}
