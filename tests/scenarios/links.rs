//! Files with more than one name, and files with holes: what of them is kept, and what is told beforehand.

use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};

use serde_json::Value;

use crate::environment::{Environment, stack};

fn file(more: &str) -> String {
    format!("[resource.local_file.f]\npath = \"f\"\n{more}\n")
}

/// The only change of a plan.
#[track_caller]
fn change(place: &Environment, arguments: &[&str]) -> Value {
    let plan = place.run(&[&["plan", "--json"], arguments].concat()).ends(0).json();
    assert_eq!(plan["changes"].as_array().unwrap().len(), 1, "{plan}");
    plan["changes"][0].clone()
}

fn same_file(place: &Environment, one: &str, other: &str) -> bool {
    let of = |name: &str| {
        let metadata = fs_err::symlink_metadata(place.path(name)).unwrap();
        (metadata.dev(), metadata.ino())
    };
    of(one) == of(other)
}

#[test]
fn what_parts_a_file_from_its_other_names_is_told_before_it_is_agreed_to() {
    let place = Environment::with(&file("content = \"new\""));
    place.write("f", "old");
    fs_err::hard_link(place.path("f"), place.path("other")).unwrap();
    // Adopted and changed.
    assert_eq!(change(&place, &[])["reversible"], "lossy");
    let shown = place.run(&["plan"]).ends(0);
    assert!(shown.stdout.contains("another name") && shown.stdout.contains("hard link"), "{}", shown.screen());
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!((place.read("f"), place.read("other")), ("new".to_owned(), "old".to_owned()));
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!((place.read("f"), place.read("other")), ("old".to_owned(), "old".to_owned()));
    assert!(!same_file(&place, "f", "other"), "as it was told");
    // Now it has one name, and all of it comes back.
    assert_eq!(change(&place, &[])["reversible"], "full");
    // Deleted.
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(""));
    fs_err::hard_link(place.path("f"), place.path("third")).unwrap();
    let body = format!("{}lifecycle = {{ on_destroy = \"delete\" }}", file("content = \"new\""));
    place.write("retrue.toml", stack(&body));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(change(&place, &["--destroy"])["reversible"], "lossy");
}

#[test]
fn mode_and_owner_are_changed_for_all_names_and_taken_back_for_all() {
    let place = Environment::with(&file("content = \"x\"\nmode = \"0600\""));
    place.write("f", "x");
    fs_err::set_permissions(place.path("f"), std::fs::Permissions::from_mode(0o644)).unwrap();
    fs_err::hard_link(place.path("f"), place.path("other")).unwrap();
    let before = place.tree();
    assert_eq!(change(&place, &[])["reversible"], "full");
    place.run(&["apply", "--yes"]).ends(0);
    assert!(same_file(&place, "f", "other"));
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(same_file(&place, "f", "other"));
    place.tree().is(&before, "taken back");
}

#[test]
fn a_name_that_is_given_after_the_plan_stops_the_step() {
    let place = Environment::with(&file("content = \"one\""));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(&file("content = \"two\"")));
    place.run(&["plan", "-o", "p"]).ends(0);
    fs_err::hard_link(place.path("f"), place.path("other")).unwrap();
    place.run(&["apply", "p", "--yes"]).ends(1).tells("RT0501", &["another name"]);
    assert!(place.read("f") == "one" && same_file(&place, "f", "other"));
    place.run(&["plan", "-o", "p", "--destroy"]).ends(0);
    fs_err::remove_file(place.path("f")).unwrap();
    fs_err::hard_link(place.path("other"), place.path("f")).unwrap();
    // Said beforehand, it is done.
    place.run(&["apply", "p", "--yes"]).ends(0);
    assert!(!place.path("f").exists() && place.read("other") == "one");
}

/// A file of 1 MiB of which a few bytes are written, which are no text.
fn with_holes(place: &Environment, name: &str) {
    let file = fs_err::File::create(place.path(name)).unwrap();
    file.file().set_len(1 << 20).unwrap();
    file.file().write_all_at(b"\xff\xfe", 3 << 18).unwrap();
}

fn room(place: &Environment, name: &str) -> u64 {
    fs_err::metadata(place.path(name)).unwrap().blocks() * 512
}

#[test]
fn a_directory_comes_back_with_links_of_both_kinds_and_with_holes() {
    let place = Environment::with("[resource.local_directory.d]\npath = \"d\"\nrecursive = true\n");
    place.run(&["apply", "--yes"]).ends(0);
    place.write("d/a/first", "shared");
    place.write("d/alone", "x");
    fs_err::hard_link(place.path("d/a/first"), place.path("d/second")).unwrap();
    std::os::unix::fs::symlink("alone", place.path("d/link")).unwrap();
    fs_err::hard_link(place.path("d/link"), place.path("d/link-too")).unwrap();
    with_holes(&place, "d/holes");
    assert!(room(&place, "d/holes") < 1 << 18, "the file system makes holes");
    let before = place.tree();
    assert_eq!(change(&place, &["--destroy"])["reversible"], "full");
    place.run(&["destroy", "--yes"]).ends(0);
    assert!(!place.path("d").exists());
    place.run(&["compensate", "--yes"]).ends(0);
    place.tree().is(&before, "brought back");
    assert!(same_file(&place, "d/a/first", "d/second") && same_file(&place, "d/link", "d/link-too"));
    assert!(room(&place, "d/holes") < 1 << 18, "{}", room(&place, "d/holes"));
    // One name is elsewhere: that is told.
    fs_err::hard_link(place.path("d/a/first"), place.path("outside")).unwrap();
    assert_eq!(change(&place, &["--destroy"])["reversible"], "lossy");
    let shown = place.run(&["plan", "--destroy"]).ends(0);
    assert!(shown.stdout.contains("outside of"), "{}", shown.screen());
    place.run(&["destroy", "--yes"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(same_file(&place, "d/a/first", "d/second") && !same_file(&place, "d/a/first", "outside"));
}

#[test]
fn a_file_comes_back_with_its_holes() {
    let place = Environment::with(&file("content = \"small\""));
    with_holes(&place, "f");
    let before = place.tree();
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    place.tree().is(&before, "brought back");
    assert!(room(&place, "f") < 1 << 18, "{}", room(&place, "f"));
}
