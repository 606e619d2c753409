//! What is ephemeral: opened when it is needed, renewed, closed at the end, and resting nowhere.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::environment::peers::there;
use crate::environment::{Environment, stack, wait_for};

const PYVIDER: &str = "pyvider/terraform-provider-pyvider";
const SECRET: &str = "planted-hunter2";

/// A place with pyvider, whose leases are files and whose notes have a write-only secret.
fn place(test: &str) -> Option<(Environment, String)> {
    let program = there(test, PYVIDER)?;
    let mut place = Environment::new();
    place.set("PYVIDER_TESTMODE", "true");
    place.set("PYVIDER_PRIVATE_STATE_SHARED_SECRET", "a secret of the tests");
    let index = place.root().join("notes.json");
    place.set("PYVIDER_SECRET_NOTE_INDEX", index.to_str().unwrap());
    let provider = format!("[provider.pyvider]\npath = \"{}\"\npyvider_testmode = true\n", program.display());
    Some((place, provider))
}

const LEASE: &str = r#"
[ephemeral.pyvider_lease.l]
name = "lease"
path = "held.lease"
ttl_seconds = 1
"#;

const NOTE: &str = r#"
[variable.secret]
type = "string"
ephemeral = true

[local]
joined = "${ephemeral.pyvider_lease.l.name}-${var.secret}"

[resource.pyvider_secret_note.n]
name = "n"
secret_value = "${local.joined}"
secret_version = "1"
"#;

fn digest(place: &Environment, text: &str) -> Value {
    let expression = format!("substr(sha256(\"{text}\"), 0, 16)");
    place.run(&["eval", &expression, "--json", "--var", "secret=x"]).ends(0).json()
}

#[test]
fn promise_8_ephemeral_values_reach_write_only_attributes_and_rest_nowhere() {
    let test = "promise_8_ephemeral_values_reach_write_only_attributes_and_rest_nowhere";
    let Some((place, provider)) = place(test) else { return };
    let text = format!("{provider}{LEASE}{NOTE}");
    place.write("retrue.toml", stack(&text));
    let given = format!("secret={SECRET}");
    let expected = digest(&place, &format!("lease-{SECRET}"));
    place.run(&["validate"]).ends(0);
    let plan = place.run(&["plan", "--var", &given]).ends(0);
    assert!(!plan.screen().contains(SECRET) && !place.path("held.lease").exists(), "{}", plan.screen());
    assert_snapshot!("plan", plan.screen().replace(&place.root().display().to_string(), "[ROOT]"));
    let applied = place.run(&["apply", "--yes", "--var", &given, "-vv"]).ends(0);
    assert!(!applied.screen().contains(SECRET), "{}", applied.screen());
    assert!(!place.path("held.lease").exists(), "it is closed at the end");
    let made = place.run(&["eval", "pyvider_secret_note.n.digest", "--json", "--var", &given]).ends(0).json();
    assert_eq!(made, expected, "the value reached the provider");
    let kept = place.run(&["eval", "pyvider_secret_note.n.secret_value == null", "--json", "--var", &given]).ends(0);
    assert_eq!(kept.json(), true);
    place.holds_nowhere(SECRET);
    // A write-only value alone changes nothing: its version does.
    place.run(&["plan", "--detailed-exitcode", "--var", "secret=another"]).ends(0);
    place.write("retrue.toml", stack(&text.replace("secret_version = \"1\"", "secret_version = \"2\"")));
    let plan = place.run(&["plan", "--json", "--var", "secret=another"]).ends(0).json();
    let change = &plan["changes"][0];
    assert_eq!((&change["action"], &change["reversible"]), (&json!("update"), &json!("lossy")), "{plan:#}");
    assert!(change["lost"].as_str().unwrap().contains("write-only"), "{plan:#}");
    // A kept plan has nothing of it either: it opens again, and wants the variable again.
    place.run(&["plan", "-o", "kept.plan", "--var", "secret=planted-another"]).ends(0);
    place.holds_nowhere("planted-another");
    place.run(&["apply", "kept.plan", "--yes"]).ends(1).tells("RT0503", &["secret", "--var"]);
    place.run(&["apply", "kept.plan", "--yes", "--var", "secret=planted-another"]).ends(0);
    let made = place.run(&["eval", "pyvider_secret_note.n.digest", "--json", "--var", &given]).ends(0).json();
    assert_eq!(made, digest(&place, "lease-planted-another"));
    place.holds_nowhere("planted-another");
    assert!(!place.path("held.lease").exists());
    place.run(&["destroy", "--yes", "--var", &given]).ends(0);
    assert!(place.recorded().is_empty());
    place.holds_nowhere(SECRET);
}

#[test]
fn what_is_open_is_renewed_while_it_is_needed_and_closed_also_after_a_failure() {
    let test = "what_is_open_is_renewed_while_it_is_needed_and_closed_also_after_a_failure";
    let Some((place, provider)) = place(test) else { return };
    let slow = r#"
[resource.local_command.slow]
create = "sleep 3; cp held.lease seen.txt"
delete = "true"
depends_on = ["pyvider_secret_note.n"]
"#;
    let given = format!("secret={SECRET}");
    place.write("retrue.toml", stack(&format!("{provider}{LEASE}{NOTE}{slow}")));
    place.run(&["apply", "--yes", "--var", &given]).ends(0);
    let seen = place.read("seen.txt");
    assert!(seen.starts_with("opened ") && seen.matches("renew").count() >= 2, "{seen}");
    assert!(!place.path("held.lease").exists());
    let failing = slow
        .replace(".slow]", ".failing]")
        .replace("sleep 3; cp held.lease seen.txt", "cp held.lease failed.txt; exit 1");
    place.write("retrue.toml", stack(&format!("{provider}{LEASE}{NOTE}{slow}{failing}")));
    place.run(&["apply", "--yes", "--var", &given]).ends(1);
    assert!(place.path("failed.txt").exists() && !place.path("held.lease").exists());
    place.holds_nowhere(SECRET);
}

#[test]
fn what_is_open_is_closed_when_a_person_stops_the_run() {
    let test = "what_is_open_is_closed_when_a_person_stops_the_run";
    let Some((place, provider)) = place(test) else { return };
    let slow = "[resource.local_command.slow]\ncreate = \"touch begun; sleep 2\"\ndelete = \"true\"\n\
        [resource.local_command.next]\ncreate = \"touch next\"\ndelete = \"true\"\ndepends_on = [\"local_command.slow\"]\n";
    place.write("retrue.toml", stack(&format!("{provider}{LEASE}{NOTE}{slow}")));
    let mut command = place.command(&["apply", "--yes", "--var", &format!("secret={SECRET}")]);
    let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    wait_for("the step", || place.path("begun").exists().then_some(()));
    assert!(place.path("held.lease").exists(), "it is open");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!place.path("next").exists() && !place.path("held.lease").exists());
}

#[test]
fn a_provider_that_is_configured_with_something_ephemeral_unwinds_later_too() {
    let test = "a_provider_that_is_configured_with_something_ephemeral_unwinds_later_too";
    let Some((place, provider)) = place(test) else { return };
    let blocks = r#"
[provider.second]
type = "pyvider"
api_token = "${ephemeral.pyvider_lease.l.lease_id}"

[data.pyvider_provider_config_reader.back]
provider = "second"

[resource.pyvider_file_content.f]
provider = "second"
filename = "made.txt"
content = "made"

[resource.pyvider_file_content.f.lifecycle]
precondition = [{ condition = "${data.pyvider_provider_config_reader.back.api_token == ephemeral.pyvider_lease.l.lease_id}", message = "another token" }]
"#;
    place.write("retrue.toml", stack(&format!("{provider}{LEASE}{blocks}")));
    let plan = place.run(&["plan"]).ends(0);
    assert!(plan.screen().contains("ephemeral.pyvider_lease.l"), "the plan says what an undo needs: {}", plan.screen());
    place.run(&["apply", "--yes"]).ends(0);
    assert!(place.path("made.txt").exists() && !place.path("held.lease").exists());
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    // The journal says how to open it again; the stack is not needed.
    place.write("retrue.toml", stack(""));
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(place.recorded().is_empty());
    assert!(!place.path("made.txt").exists() && !place.path("held.lease").exists());
}

#[test]
fn ephemeral_values_where_they_would_be_kept_are_told_at_their_places() {
    let test = "ephemeral_values_where_they_would_be_kept_are_told_at_their_places";
    let Some((place, provider)) = place(test) else { return };
    let blocks = r#"
[variable.secret]
ephemeral = true
default = "x"

[local]
token = "${ephemeral.pyvider_lease.l.lease_id}"

[resource.retrue_data.kept]
input = { a = "${local.token}" }

[resource.pyvider_secret_note.each]
for_each = '${[var.secret]}'
name = "${var.secret}"
secret_value = "${var.secret}"

[resource.pyvider_secret_note.counted]
count = '${length(var.secret)}'
name = "n"
secret_value = "x"

[resource.retrue_data.enabled]
lifecycle.enabled = '${var.secret == "x"}'

[output.token]
value = "${local.token}"

[output.nothing]
value = "${ephemeralasnull(local.token)}"

[ephemeral.pyvider_lease.other]
name = "${var.secret}"
path = "other.lease"
lifecycle.prevent_destroy = true

[ephemeral.pyvider_leese.unknown]
name = "x"

[resource.retrue_data.triggered]
lifecycle.replace_triggered_by = ["ephemeral.pyvider_lease.l"]
"#;
    place.write("retrue.toml", stack(&format!("{provider}{LEASE}{blocks}")));
    let shown = place.run(&["validate"]).ends(1).screen();
    assert_snapshot!(
        "misplaced_form",
        shown.lines().filter(|line| !line.contains("path = ")).collect::<Vec<_>>().join("\n")
    );
    let without = blocks
        .replace("lifecycle.prevent_destroy = true\n", "")
        .replace("lifecycle.replace_triggered_by = [\"ephemeral.pyvider_lease.l\"]\n", "")
        .replace("[ephemeral.pyvider_leese.unknown]\nname = \"x\"\n", "");
    place.write("retrue.toml", stack(&format!("{provider}{LEASE}{without}")));
    for verb in ["validate", "plan"] {
        let shown = place.run(&[verb]).ends(1).screen();
        let shown = shown.lines().filter(|line| !line.contains("path = \"/")).collect::<Vec<_>>().join("\n");
        assert_snapshot!(format!("misplaced_{verb}"), shown);
    }
    assert!(!place.path("held.lease").exists());
}

#[test]
fn something_ephemeral_that_waits_for_a_resource_is_opened_while_applying() {
    let test = "something_ephemeral_that_waits_for_a_resource_is_opened_while_applying";
    let Some((place, provider)) = place(test) else { return };
    let blocks = r#"
[variable.secret]
ephemeral = true
default = "x"

[resource.local_file.first]
path = "first.txt"
content = "x"

[ephemeral.pyvider_lease.l]
name = "late"
path = "held.lease"
depends_on = ["local_file.first"]

[resource.pyvider_secret_note.n]
name = "n"
secret_value = "${ephemeral.pyvider_lease.l.lease_id}"
secret_version = "1"

[resource.local_command.seen]
create = "cp held.lease seen.txt"
delete = "true"
depends_on = ["pyvider_secret_note.n"]
"#;
    place.write("retrue.toml", stack(&format!("{provider}{blocks}")));
    place.run(&["plan"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    let seen = place.read("seen.txt");
    let lease = seen.strip_prefix("opened ").and_then(|seen| seen.split(' ').next()).unwrap();
    let made = place.run(&["eval", "pyvider_secret_note.n.digest", "--json"]).ends(0).json();
    assert_eq!(made, digest(&place, lease));
    fs_err::remove_file(place.path("seen.txt")).unwrap();
    place.holds_nowhere(lease);
    assert!(!place.path("held.lease").exists());
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(place.recorded().is_empty());
}
