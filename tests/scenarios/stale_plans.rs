//! A plan that was kept in a file is refused as a whole when the world has moved, before anything of it is done.

use retrue_provider_testcloud::Server;
use retrue_provider_testcloud::cloud::MARKER_TAG;
use serde_json::{Value as Json, json};

use crate::environment::{Environment, stack};

/// The first in order comes before all others: that it was not made shows that nothing was begun.
const FIRST: &str = r#"
[resource.local_file.a_first]
path = "first.txt"
content = "first"
"#;

/// Something that somebody else does.
type Deed = fn(&Environment);

/// Plans, has somebody do something, and applies what was planned: it is refused, names the address, and nothing
/// was done.
#[track_caller]
fn is_refused(place: &Environment, address: &str, deed: impl FnOnce(&Environment)) {
    place.run(&["plan", "-o", "p"]).ends(0);
    deed(place);
    let before = place.tree();
    let shown = place.run(&["apply", "p", "--yes"]).ends(1).tells("RT0417", &[address]);
    place.tree().is(&before, &shown.screen());
    assert!(!place.path("first.txt").exists(), "{}", shown.screen());
    assert!(place.runs().is_empty(), "nothing was begun: {}", shown.screen());
}

#[test]
fn what_appears_where_something_is_to_be_created_makes_a_plan_stale() {
    let appears: [(&str, &str, Deed); 5] = [
        ("local_file.b", "path = 'b'\ncontent = 'b'", |place| place.write("b", "somebody's")),
        ("local_file.b", "path = 'b'\ncontent = 'b'\nlifecycle.on_existing = 'fail'", |place| place.write("b", "x")),
        ("local_directory.d", "path = 'd'", |place| fs_err::create_dir(place.path("d")).unwrap()),
        ("local_symlink.l", "path = 'l'\ntarget = 'first.txt'", |place| {
            std::os::unix::fs::symlink("elsewhere", place.path("l")).unwrap();
        }),
        ("local_command.c", "create = 'touch c'\nread = 'test -e c || exit 44'", |place| place.write("c", "")),
    ];
    for (address, body, appear) in appears {
        let place =
            Environment::with(&format!("{FIRST}\n[resource.{address}]\ndepends_on = ['local_file.a_first']\n{body}\n"));
        let plan = place.run(&["plan", "--json"]).ends(0).json();
        assert_eq!(plan["base"]["resources"][address]["observed"], "absent", "{address}");
        is_refused(&place, address, appear);
        // Where it was not there, the same plan is carried out.
        let place = Environment::with(&format!("{FIRST}\n[resource.{address}]\n{body}\n"));
        place.run(&["plan", "-o", "p"]).ends(0);
        place.run(&["apply", "p", "--yes"]).ends(0);
        assert!(place.recorded().iter().any(|recorded| recorded == address));
    }
}

#[test]
fn what_changes_before_it_is_adopted_makes_a_plan_stale() {
    let changes: [Deed; 2] =
        [|place| place.write("b", "changed"), |place| fs_err::remove_file(place.path("b")).unwrap()];
    for content in ["'found'", "'another'"] {
        for change in changes {
            let body = format!("path = 'b'\ncontent = {content}\ndepends_on = ['local_file.a_first']");
            let place = Environment::with(&format!("{FIRST}\n[resource.local_file.b]\n{body}\n"));
            place.write("b", "found");
            let plan = place.run(&["plan", "--json"]).ends(0).json();
            let observed = plan["base"]["resources"]["local_file.b"]["observed"].as_str().unwrap().to_owned();
            assert!(!observed.is_empty() && observed != "absent", "{observed}");
            is_refused(&place, "local_file.b", change);
        }
    }
}

#[test]
fn what_appears_in_a_cloud_makes_a_plan_stale() {
    let server = Server::start().unwrap();
    let blocks = |more: &str| stack(&format!("[provider.testcloud]\nurl = \"{}\"\n{FIRST}{more}", server.url()));
    let wanted = "[resource.testcloud_bucket.b]\nname = 'b'\ndepends_on = ['local_file.a_first']\n";
    let place = Environment::with_stack(&blocks(wanted));
    is_refused(&place, "testcloud_bucket.b", |_| {
        let other = Environment::with_stack(&blocks("[resource.testcloud_bucket.b]\nname = 'b'\n"));
        other.run(&["apply", "--yes"]).ends(0);
    });
}

/// A marker is in no attribute: what another stack takes for its own may look as it did.
#[test]
fn what_another_stack_takes_makes_a_plan_stale() {
    let server = Server::start().unwrap();
    let bucket = "[resource.testcloud_bucket.b]\nname = 'b'\ndepends_on = ['local_file.a_first']\n";
    let place = Environment::with(&format!("[provider.testcloud]\nurl = \"{}\"\n{FIRST}{bucket}", server.url()));
    let put = |tags: Json| server.cloud().put_object("buckets", "b", &[("tags".to_owned(), tags)].into());
    put(Json::Null);
    is_refused(&place, "testcloud_bucket.b", |_| {
        put(
            json!({ MARKER_TAG: "retrue/99999999-0000-4000-8000-000000000009/default/1/current/testcloud_bucket.theirs" }),
        );
    });
}

#[test]
fn what_is_replaced_elsewhere_needs_that_place_to_be_free() {
    let file = |path: &str| stack(&format!("[resource.local_file.b]\npath = '{path}'\ncontent = 'b'\n"));
    let place = Environment::with_stack(&file("b"));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", file("other"));
    place.run(&["plan", "-o", "p"]).ends(0);
    place.write("other", "somebody's");
    let before = place.tree();
    place.run(&["apply", "p", "--yes"]).ends(1).tells("RT0417", &["local_file.b"]);
    // A plan that sees it refuses as well: the old is not deleted for something that cannot be made.
    place.run(&["apply", "--yes"]).ends(1).tells("RT0404", &["local_file.b"]);
    place.tree().is(&before, "refused");
    // The same where what is recorded has gone.
    fs_err::remove_file(place.path("b")).unwrap();
    place.run(&["apply", "--yes"]).ends(1).tells("RT0404", &["local_file.b"]);
    fs_err::remove_file(place.path("other")).unwrap();
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.read("other"), "b");
}
