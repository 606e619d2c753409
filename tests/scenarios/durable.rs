//! What was acknowledged is on the disk: seen from outside, by the calls of the program, and by the power
//! of a machine that is cut.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::environment::tally::Tally;
use crate::environment::{Environment, stack};

const APPLY: [&str; 4] = ["apply", "--yes", "--parallelism", "1"];

/// The calls that matter, as `strace -f -y` writes them.
const CALLS: &str = "trace=write,pwrite64,writev,pwritev,fdatasync,fsync,rename,renameat,renameat2,link,linkat";

/// For each effect, what was written of the journal before it and not synced. The files of the journal are
/// the mirror of a run and the database.
fn unsynced(log: &str, effects: &[&str]) -> Vec<(String, Vec<String>)> {
    let journal = |path: &str| path.ends_with(".ndjson") || path.ends_with("/db/db");
    let mut written: BTreeMap<&str, usize> = BTreeMap::new();
    let mut synced: BTreeMap<&str, usize> = BTreeMap::new();
    let mut begun: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    let mut found = Vec::new();
    for (number, line) in log.lines().enumerate() {
        let Some((thread, call)) = line.split_once(char::is_whitespace) else { continue };
        let call = call.trim_start();
        // `fdatasync(7</path>) = 0`, or in two parts where another thread came in between.
        let path = call.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(path, _)| path);
        let is_sync = call.starts_with("fdatasync(") || call.starts_with("fsync(");
        if call.starts_with("<... fdatasync resumed") || call.starts_with("<... fsync resumed") {
            if let Some((began, path)) = begun.remove(thread)
                && call.ends_with("= 0")
            {
                synced.insert(path, began);
            }
        } else if is_sync && call.contains("<unfinished") {
            begun.insert(thread, (number, path));
        } else if is_sync && call.ends_with("= 0") {
            synced.insert(path, number);
        } else if (call.starts_with("write") || call.starts_with("pwrite")) && journal(path) {
            written.insert(path, number);
        } else if (call.starts_with("rename") || call.starts_with("link"))
            && let Some(effect) = effects.iter().find(|effect| call.contains(&format!("/{effect}\"")))
        {
            let late = |(path, written): (&&str, &usize)| {
                (synced.get(*path).is_none_or(|synced| synced < written)).then(|| (*path).to_owned())
            };
            found.push(((*effect).to_owned(), written.iter().filter_map(late).collect()));
        }
    }
    found
}

#[test]
fn promise_2_every_record_is_synced_before_the_next_effect() {
    let place = Environment::with(
        r#"
[resource.local_file.a]
path = "effect-a"
content = "a"

[resource.local_file.b]
path = "effect-b"
content = "${local_file.a.sha256}"

[resource.local_file.c]
path = "effect-c"
content = "${local_file.b.sha256}"
"#,
    );
    // The store is made first, so that what is looked at is the usual.
    place.run(&["apply", "--yes", "--target", "local_file.a"]).ends(0);
    let log = place.root().join("calls");
    let program = place.command(&APPLY);
    let mut traced = Command::new("strace");
    traced.args(["-f", "-y", "-s", "200", "-e", CALLS, "-o"]).arg(&log);
    traced.arg(program.get_program()).args(program.get_args()).current_dir(place.work()).env_clear();
    traced.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    match traced.output() {
        Ok(output) if fs_err::metadata(&log).is_ok_and(|log| log.len() > 0) => {
            place.shown(output).ends(0);
        }
        other => {
            println!("SKIPPED: calls cannot be traced here: {other:?}");
            return;
        }
    }
    let tally = Tally::of("power and syncs", "what was written of the journal before an effect, and not synced");
    let log = fs_err::read_to_string(&log).unwrap();
    let effects = ["effect-b", "effect-c"];
    let found = unsynced(&log, &effects);
    let expected: Vec<(String, Vec<String>)> =
        effects.iter().map(|effect| ((*effect).to_owned(), Vec::new())).collect();
    assert_eq!(found, expected);
    tally.scenarios(effects.len() as u64);
    assert!(log.contains(".ndjson>, ") && log.contains("/db/db>, "), "both halves are written");
    // Without the syncs, each effect would be one too early.
    let silent: String = log.lines().filter(|line| !line.contains("sync(")).map(|line| format!("{line}\n")).collect();
    assert!(unsynced(&silent, &effects).iter().all(|(_, late)| late.len() == 2), "{:?}", unsynced(&silent, &effects));
}

/// A file system on a loop device: what a copy of its image holds is what a power cut leaves.
struct Disk {
    image: PathBuf,
    mounted: PathBuf,
}

impl Disk {
    /// Makes one; `None`, and told so, where that cannot be.
    fn made(image: PathBuf, mounted: PathBuf) -> Option<Self> {
        let made = fs_err::File::create(&image).and_then(|file| file.set_len(128 << 20)).is_ok()
            && Command::new("/usr/sbin/mkfs.ext4")
                .args(["-q", "-F"])
                .arg(&image)
                .status()
                .is_ok_and(|made| made.success());
        let disk = made.then(|| Disk::of(image, mounted)).flatten();
        if disk.is_none() {
            println!("SKIPPED: no loop device can be mounted here");
        }
        disk
    }

    fn of(image: PathBuf, mounted: PathBuf) -> Option<Self> {
        fs_err::create_dir_all(&mounted).unwrap();
        let mut mount = Command::new("mount");
        // Nothing is to reach the disk by itself while the test runs.
        mount.args(["-o", "loop,commit=600"]).arg(&image).arg(&mounted);
        mount.output().is_ok_and(|output| output.status.success()).then_some(Disk { image, mounted })
    }

    /// The disk as a power cut at this moment leaves it.
    fn cut(&self, to: &Path) {
        let copied = Command::new("cp").arg("--sparse=always").arg(&self.image).arg(to).status().unwrap();
        assert!(copied.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.mounted).status();
    }
}

#[test]
fn promise_2_what_was_acknowledged_survives_a_power_cut() {
    const MOMENTS: usize = 12;
    // Each command is a moment: its begin was acknowledged, and it cuts the power.
    let blocks: String = (0..MOMENTS)
        .map(|moment| {
            let after = moment.checked_sub(1).map_or(String::new(), |before| format!("depends_on = [\"local_command.c{before:02}\"]\n"));
            format!(
                "[resource.local_command.c{moment:02}]\ncreate = \"cp --sparse=always ../disk.img ../cut-{moment:02}.img\"\n\
                 read = \"test -e ../cut-{moment:02}.img || exit 44\"\n{after}\n"
            )
        })
        .collect();
    let mut place = Environment::with_stack(&stack(&blocks));
    let (image, mounted) = (place.root().join("disk.img"), place.root().join("disk"));
    let Some(disk) = Disk::made(image, mounted.clone()) else { return };
    // The control: what is synced is there afterwards, and what is not is not.
    for (name, sync) in [("synced", true), ("unsynced", false)] {
        let file = fs_err::File::create(mounted.join(name)).unwrap();
        file.set_len(4096).unwrap();
        fs_err::write(mounted.join(name), "written").unwrap();
        if sync {
            fs_err::File::open(mounted.join(name)).unwrap().sync_all().unwrap();
        }
    }
    let control = place.root().join("control.img");
    disk.cut(&control);
    {
        let Some(found) = Disk::of(control, place.root().join("control")) else { return };
        assert_eq!(fs_err::read_to_string(found.mounted.join("synced")).unwrap(), "written");
        let unsynced = fs_err::read_to_string(found.mounted.join("unsynced")).unwrap_or_default();
        assert_ne!(unsynced, "written", "a cut that loses nothing shows nothing");
    }
    place.set("RETRUE_STORE", mounted.join("store").to_str().unwrap());
    place.run(&APPLY).ends(0);
    let tally = Tally::of("power and syncs", "the power cut at a moment of an apply, on ext4");
    for moment in 0..MOMENTS {
        tally.one();
        let when = format!("the power was cut in c{moment:02}");
        let cut = place.root().join(format!("cut-{moment:02}.img"));
        let mut after = place.copy_without_images();
        let Some(found) = Disk::of(cut, after.root().join("disk-after")) else {
            panic!("{when}: it cannot be mounted")
        };
        after.set("RETRUE_STORE", found.mounted.join("store").to_str().unwrap());
        // All that was acknowledged is there: every command that had ended, and that this one had begun.
        let expected: Vec<String> = (0..moment).map(|before| format!("local_command.c{before:02}")).collect();
        assert_eq!(after.recorded(), expected, "{when}");
        let plan = after.run(&["plan", "--json"]).ends(0).json();
        let doubts: Vec<&str> =
            plan["in_doubt"].as_array().unwrap().iter().map(|doubt| doubt["address"].as_str().unwrap()).collect();
        assert_eq!(doubts, [format!("local_command.c{moment:02}")], "{when}");
    }
}
