//! Providers whose configuration depends on a resource: what is new waits for it, in one plan and one apply.

use crate::environment::peers::{Aws, mirror, there};
use crate::environment::{Environment, stack};

const PYVIDER: &str = "pyvider/terraform-provider-pyvider";

fn provider(test: &str) -> Option<String> {
    let program = there(test, PYVIDER)?;
    Some(format!("[provider.pyvider]\npath = \"{}\"\n", program.display()))
}

const SECOND: &str = r#"
[resource.retrue_data.where]

[provider.second]
type = "pyvider"
api_endpoint = "http://${retrue_data.where.id}"

[resource.pyvider_file_content.f]
provider = "second"
filename = "made.txt"
content = "one"

[data.pyvider_provider_config_reader.back]
provider = "second"

[output.endpoint]
value = "${data.pyvider_provider_config_reader.back.api_endpoint}"
"#;

#[test]
fn what_is_new_waits_for_the_provider_that_is_configured_by_a_resource() {
    let test = "what_is_new_waits_for_the_provider_that_is_configured_by_a_resource";
    let Some(provider) = provider(test) else { return };
    let place = Environment::with(&format!("{provider}{SECOND}"));
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!((&plan["summary"]["create"], &plan["summary"]["read"]), (&2.into(), &1.into()), "{plan:#}");
    let made = plan["changes"].as_array().unwrap().iter().find(|change| change["address"] == "pyvider_file_content.f");
    let made = made.unwrap_or_else(|| panic!("{plan:#}"));
    assert!(made["reasons"].to_string().contains("the provider `second` is configured first"), "{plan:#}");
    assert_eq!(made["after"]["content"], "one");
    assert!(made["unknown"].to_string().contains("content_hash"), "{plan:#}");
    // The same through a plan file.
    place.run(&["plan", "-o", "kept.plan"]).ends(0);
    place.run(&["apply", "kept.plan", "--yes"]).ends(0);
    assert_eq!(place.read("made.txt"), "one");
    let id = place.run(&["eval", "retrue_data.where.id", "--json"]).ends(0).json();
    let endpoint = place.run(&["output", "endpoint", "--json"]).ends(0).json();
    assert_eq!(endpoint, format!("http://{}", id.as_str().unwrap()));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    // From now on it is configured by what is recorded.
    place.write("retrue.toml", stack(&format!("{provider}{}", SECOND.replace("\"one\"", "\"two\""))));
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.read("made.txt"), "two");
    let runs = place.runs();
    place.run(&["compensate", "--yes", "--through", runs.last().unwrap()]).ends(0);
    assert!(place.recorded().is_empty() && !place.path("made.txt").exists());
}

#[test]
fn a_failure_behind_a_late_provider_unwinds_in_the_same_run() {
    let test = "a_failure_behind_a_late_provider_unwinds_in_the_same_run";
    let Some(provider) = provider(test) else { return };
    let failing = "[resource.local_command.no]\ncreate = \"exit 1\"\ndelete = \"true\"\ndepends_on = [\"pyvider_file_content.f\"]\n";
    let place = Environment::with(&format!("{provider}{SECOND}{failing}"));
    place.run(&["apply", "--yes", "--on-failure", "compensate"]).ends(3);
    assert!(place.recorded().is_empty() && !place.path("made.txt").exists());
}

#[test]
fn what_is_there_already_says_what_to_apply_first() {
    let test = "what_is_there_already_says_what_to_apply_first";
    let Some(provider) = provider(test) else { return };
    let place = Environment::with(&format!("{provider}{SECOND}"));
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["state", "rm", "retrue_data.where"]).ends(0);
    for verb in [["plan", "--detailed-exitcode"], ["apply", "--yes"]] {
        place.run(&verb).ends(1).tells("RT0421", &["second", "--target retrue_data.where"]);
    }
    place.run(&["apply", "--yes", "--target", "retrue_data.where"]).ends(0);
    place.run(&["plan"]).ends(0);
    let import = "[[import]]\nto = \"pyvider_file_content.g\"\nid = \"made.txt\"\n[resource.pyvider_file_content.g]\n\
        provider = \"third\"\nfilename = \"made.txt\"\ncontent = \"one\"\n[provider.third]\ntype = \"pyvider\"\n\
        api_endpoint = \"${retrue_data.later.id}\"\n[resource.retrue_data.later]\n";
    place.write("retrue.toml", stack(&format!("{provider}{SECOND}{import}")));
    place.run(&["plan"]).ends(1).tells("RT0421", &["third", "--target retrue_data.later"]);
}

#[test]
fn a_cloud_that_is_reached_by_what_a_resource_says() {
    let test = "a_cloud_that_is_reached_by_what_a_resource_says";
    let Some(aws) = Aws::start(test) else { return };
    let url = format!("http://127.0.0.1:{}", aws.port());
    let endpoints = aws.provider().replace(&format!("\"{url}\""), "\"${retrue_data.where.output}\"");
    let blocks = format!(
        "[resource.retrue_data.where]\ninput = \"{url}\"\n[resource.aws_sqs_queue.jobs]\nname = \"jobs\"\n\
         [resource.aws_vpc.main]\ncidr_block = \"10.0.0.0/16\"\n[data.aws_caller_identity.me]\n\
         [output.account]\nvalue = \"${{data.aws_caller_identity.me.account_id}}\"\n"
    );
    let mut place = Environment::with(&format!("{endpoints}{blocks}"));
    if mirror(test, &mut place).is_none() {
        return;
    }
    place.run(&["providers", "install"]).ends(0);
    let before = aws.truth();
    place.run(&["apply", "--yes"]).ends(0);
    assert_eq!(place.run(&["output", "account", "--json"]).ends(0).json(), "123456789012");
    assert_ne!(aws.truth(), before);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(place.recorded().is_empty());
    assert_eq!(aws.truth(), before);
}
