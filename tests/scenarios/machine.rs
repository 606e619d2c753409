//! A machine that refuses: no permission, something else in the way, no space, nothing to write on.
//! Each ends in its code, and nothing is half-done.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::environment::{Environment, Shown, stack};

fn file(path: &str) -> String {
    format!("[resource.local_file.f]\npath = \"{path}\"\ncontent = \"content\"\n")
}

#[test]
fn something_else_is_where_a_file_should_be() {
    for kind in ["directory", "link", "pipe", "link to nowhere"] {
        let place = Environment::with(&file("f"));
        match kind {
            "directory" => fs_err::create_dir(place.path("f")).unwrap(),
            "link" => std::os::unix::fs::symlink("retrue.toml", place.path("f")).unwrap(),
            "pipe" => assert!(Command::new("mkfifo").arg(place.path("f")).status().unwrap().success()),
            _ => std::os::unix::fs::symlink("nowhere", place.path("f")).unwrap(),
        }
        let before = place.tree();
        let shown = place.run(&["apply", "--yes"]).ends(1);
        assert!(shown.stderr.contains("error[RT") && shown.stderr.contains("local_file.f"), "{}", shown.screen());
        place.tree().is(&before, kind);
        assert!(place.recorded().is_empty(), "{kind}");
    }
    // The same for a directory and for a link.
    for block in
        ["[resource.local_directory.d]\npath = \"f\"\n", "[resource.local_symlink.l]\npath = \"f\"\ntarget = \"x\"\n"]
    {
        let place = Environment::with(block);
        place.write("f", "a file");
        let before = place.tree();
        let shown = place.run(&["apply", "--yes"]).ends(1);
        assert!(shown.stderr.contains("error[RT"), "{}", shown.screen());
        place.tree().is(&before, block);
    }
}

#[test]
fn a_path_that_cannot_be() {
    for path in ["retrue.toml/f", "no/such/place", "", "/proc/none", &"x".repeat(300), "a\\u0000b"] {
        let place = Environment::with(&file(path));
        let before = place.tree();
        let shown = place.run(&["apply", "--yes"]).ends(1);
        assert!(shown.stderr.contains("error[RT"), "{path}: {}", shown.screen());
        place.tree().is(&before, path);
        assert!(place.recorded().is_empty(), "{path}");
    }
}

/// A place that belongs to somebody without rights, and the program within their reach.
struct Unprivileged {
    place: Environment,
    program: PathBuf,
}

impl Unprivileged {
    /// `None`, and told so, where the test cannot become somebody else.
    fn new(blocks: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED: only root can become somebody else");
            return None;
        }
        let place = Environment::with(blocks);
        let program = place.root().join("retrue");
        fs_err::copy(env!("CARGO_BIN_EXE_retrue"), &program).unwrap();
        let unprivileged = Unprivileged { place, program };
        unprivileged.give(unprivileged.place.root());
        match unprivileged.command(&["--version"]).output() {
            Ok(output) if output.status.success() => Some(unprivileged),
            other => {
                println!("SKIPPED: nobody can be made to run the program: {other:?}");
                None
            }
        }
    }

    /// Gives all below a path to nobody.
    fn give(&self, path: &Path) {
        for entry in walkdir::WalkDir::new(path) {
            std::os::unix::fs::lchown(entry.unwrap().path(), Some(65534), Some(65534)).unwrap();
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let ours = self.place.command(arguments);
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&self.program).args(arguments);
        command.current_dir(ours.get_current_dir().unwrap()).env_clear();
        command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    fn run(&self, arguments: &[&str]) -> Shown {
        self.place.shown(self.command(arguments).output().unwrap())
    }
}

fn mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_path_without_permission() {
    let blocks = format!("{}\n[resource.local_file.g]\npath = \"g\"\ncontent = \"g\"\n", file("shut/f"));
    let Some(nobody) = Unprivileged::new(&blocks) else { return };
    nobody.place.write("shut/f", "before");
    nobody.give(&nobody.place.path("shut"));
    mode(&nobody.place.path("shut"), 0o000);
    // It cannot even be looked at.
    nobody.run(&["plan"]).ends(1).tells("RT0401", &["local_file.f"]);
    nobody.run(&["apply", "--yes"]).ends(1).tells("RT0401", &["local_file.f"]);
    assert!(!nobody.place.path("g").exists());
    // It can be looked at, and not be written.
    mode(&nobody.place.path("shut"), 0o555);
    nobody.run(&["apply", "--yes", "--on-failure", "compensate"]).ends(3).tells("RT0501", &["local_file.f"]);
    assert_eq!(nobody.place.read("shut/f"), "before");
    assert!(!nobody.place.path("g").exists());
    mode(&nobody.place.path("shut"), 0o755);
    nobody.run(&["apply", "--yes"]).ends(0);
    assert_eq!(nobody.place.read("shut/f"), "content");
}

/// Half of a directory is worse than all of it.
#[test]
fn a_directory_that_cannot_be_removed_whole_stays_whole() {
    let blocks = "[resource.local_directory.d]\npath = \"d\"\nrecursive = true\n";
    let Some(nobody) = Unprivileged::new(blocks) else { return };
    nobody.run(&["apply", "--yes"]).ends(0);
    nobody.place.write("d/ours", "x");
    nobody.give(&nobody.place.path("d"));
    nobody.place.write("d/theirs/file", "x");
    let before = nobody.place.tree();
    nobody.run(&["destroy", "--yes"]).ends(1).tells("RT0501", &["d/theirs", "nothing of"]);
    nobody.place.tree().is(&before, "nothing was removed");
    nobody.give(&nobody.place.path("d/theirs"));
    let before = nobody.place.tree();
    nobody.run(&["destroy", "--yes"]).ends(0);
    nobody.run(&["compensate", "--yes"]).ends(0);
    nobody.place.tree().is(&before, "taken back");
    // What is immutable is so for root, too.
    let file = nobody.place.path("d/ours");
    let chattr = |how: &str| std::process::Command::new("chattr").arg(how).arg(&file).status();
    if !chattr("+i").is_ok_and(|status| status.success()) {
        println!("SKIPPED: nothing can be made immutable here");
        return;
    }
    let shown = nobody.run(&["destroy", "--yes"]);
    chattr("-i").unwrap();
    shown.ends(1).tells("RT0501", &["d/ours", "immutable"]);
    nobody.place.tree().is(&before, "nothing was removed");
}

#[test]
fn a_stack_that_may_not_be_read() {
    let Some(nobody) = Unprivileged::new(&file("f")) else { return };
    mode(&nobody.place.path("retrue.toml"), 0o000);
    nobody.run(&["apply", "--yes"]).ends(1).tells("RT0104", &["retrue.toml"]);
}

#[test]
fn a_state_that_may_not_be_written() {
    let Some(nobody) = Unprivileged::new(&file("f")) else { return };
    // Nowhere to make it.
    mode(&nobody.place.work(), 0o555);
    nobody.run(&["apply", "--yes"]).ends(1).tells("RT0704", &[".retrue"]);
    mode(&nobody.place.work(), 0o755);
    assert!(!nobody.place.path("f").exists());
    nobody.run(&["apply", "--yes"]).ends(0);
    // It is there, and shut.
    for entry in walkdir::WalkDir::new(nobody.place.path(".retrue")).contents_first(true) {
        let entry = entry.unwrap();
        mode(entry.path(), if entry.file_type().is_dir() { 0o555 } else { 0o444 });
    }
    nobody.place.write("f", "drifted");
    nobody.give(&nobody.place.path("f"));
    nobody.run(&["apply", "--yes"]).ends(1).tells("RT0704", &[".retrue"]);
    assert_eq!(nobody.place.read("f"), "drifted");
    // Readers need no leave to write.
    nobody.run(&["show"]).ends(0);
    nobody.run(&["plan"]).ends(0);
    // What cannot be looked for may be there.
    mode(&nobody.place.path(".retrue"), 0o000);
    nobody.run(&["state", "recover"]).ends(1).tells("RT0704", &[".retrue"]);
    for entry in walkdir::WalkDir::new(nobody.place.path(".retrue")) {
        let entry = entry.unwrap();
        mode(entry.path(), if entry.file_type().is_dir() { 0o755 } else { 0o644 });
    }
    nobody.run(&["apply", "--yes"]).ends(0);
}

/// A file system of its own, gone with the test.
struct Mounted(PathBuf);

impl Mounted {
    /// `None`, and told so, where nothing can be mounted.
    fn new(path: PathBuf, options: &str) -> Option<Self> {
        fs_err::create_dir_all(&path).unwrap();
        let mut mount = Command::new("mount");
        match mount.args(["-t", "tmpfs", "-o", options, "none"]).arg(&path).output() {
            Ok(output) if output.status.success() => Some(Mounted(path)),
            _ => {
                println!("SKIPPED: no file system can be mounted here");
                None
            }
        }
    }

    fn again(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_read_only_disk() {
    let place = Environment::with(&file("disk/f"));
    let Some(disk) = Mounted::new(place.path("disk"), "size=1m") else { return };
    disk.again("ro");
    place.run(&["apply", "--yes", "--on-failure", "compensate"]).ends(3).tells("RT0501", &["local_file.f"]);
    // The state itself.
    let mut place = Environment::with(&file("f"));
    place.set("RETRUE_STORE", "disk");
    let Some(disk) = Mounted::new(place.path("disk"), "size=16m") else { return };
    disk.again("ro");
    place.run(&["apply", "--yes"]).ends(1).tells("RT0705", &[]);
    assert!(!place.path("f").exists());
    disk.again("rw");
    place.run(&["apply", "--yes"]).ends(0);
    disk.again("ro");
    place.run(&["show"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["destroy", "--yes"]).ends(1).tells("RT0705", &[]);
    assert_eq!(place.read("f"), "content");
}

#[test]
fn a_full_disk() {
    let large = "x".repeat(100_000);
    let block = |name: &str| format!("[resource.local_file.{name}]\npath = \"disk/{name}\"\ncontent = \"{large}\"\n\n");
    let place = Environment::with(&["a", "b", "c", "d"].map(block).concat());
    let Some(_disk) = Mounted::new(place.path("disk"), "size=300k") else { return };
    let shown = place.run(&["apply", "--yes", "--parallelism", "1", "--on-failure", "compensate"]).ends(3);
    assert!(shown.stderr.contains("error[RT0501]"), "{}", shown.stderr);
    assert_eq!(place.tree().names(), ["disk", "retrue.toml"]);

    // The state itself: what was done is recorded, or is in doubt, and space brings all of it back.
    let mut place =
        Environment::with_stack(&stack(&["a", "b", "c", "d"].map(|name| block(name).replace("disk/", "")).concat()));
    place.set("RETRUE_STORE", "disk");
    for size in ["size=200k", "size=700k", "size=1200k"] {
        let place = place.copy();
        let Some(disk) = Mounted::new(place.path("disk"), size) else { return };
        let shown = place.run(&["apply", "--yes", "--parallelism", "1"]);
        if shown.code != 0 {
            assert!([1, 4].contains(&shown.code), "{size}: {}", shown.stderr);
            assert!(shown.stderr.contains("error[RT"), "{size}: {}", shown.stderr);
        }
        disk.again("size=64m");
        place.run(&["apply", "--yes"]).ends(0);
        place.run(&["plan", "--detailed-exitcode"]).ends(0);
        assert_eq!(place.recorded().len(), 4);
    }
}

#[test]
fn a_state_of_a_newer_version() {
    let place = Environment::with(&file("f"));
    place.run(&["apply", "--yes"]).ends(0);
    let format = ".retrue/env/default/format.json";
    let text = place.read(format);
    place.write(format, text.replace("\"version\":1", "\"version\":2"));
    assert_ne!(place.read(format), text);
    for verb in [
        &["show"][..],
        &["plan"],
        &["apply", "--yes"],
        &["destroy", "--yes"],
        &["compensate", "--yes"],
        &["state", "recover"],
    ] {
        place.run(verb).ends(1).tells("RT0703", &[]);
    }
    place.write(format, text);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn a_state_with_another_key_or_none() {
    let place = Environment::with("[resource.local_file.f]\npath = \"f\"\nsensitive_content = \"x\"\n");
    place.run(&["apply", "--yes"]).ends(0);
    let key = place.root().join("home/.config/retrue/key");
    let kept = fs_err::read(&key).unwrap();
    fs_err::remove_file(&key).unwrap();
    let shown = place.run(&["apply", "--yes"]).ends(1);
    assert!(shown.stderr.contains("error[RT0711]") || shown.stderr.contains("error[RT0712]"), "{}", shown.screen());
    fs_err::write(&key, "no key").unwrap();
    let shown = place.run(&["apply", "--yes"]).ends(1);
    assert!(shown.stderr.contains("error[RT07"), "{}", shown.screen());
    fs_err::write(&key, kept).unwrap();
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
}
