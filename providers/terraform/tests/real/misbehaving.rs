//! Programs that are no providers, or bad ones.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use base64::Engine as _;
use retrue_provider_api::Provider;
use retrue_provider_terraform::{Launch, Terraform};

use crate::support::{block_on, there};

/// What is said of a shell script in place of a provider.
fn check(script: &str, parts: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("terraform-provider-bad");
    let mark = directory.path().join("pid");
    std::fs::write(&path, format!("#!/bin/sh\necho $$ > {}\n{script}\n", mark.display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    said_of(Launch { handshake_within: Duration::from_secs(2), ..Launch::file("bad", path) }, parts);
    // Nothing of it is left: neither itself nor what it started, which is of its group.
    let group: u32 = std::fs::read_to_string(mark).unwrap().trim().parse().unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    while !left_of(group).is_empty() {
        assert!(Instant::now() < patience, "{:?} are left", left_of(group));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes of a group, and of the program that leads it, that have not ended.
fn left_of(leader: u32) -> Vec<u32> {
    let group = |id: u32| -> Option<(u32, String)> {
        let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, state))
    };
    let ids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let own = group(std::process::id()).map(|(group, _)| group);
    ids.filter(|id: &u32| {
        group(*id).is_some_and(|(of, state)| state != "Z" && (*id == leader || of == leader && Some(of) != own))
    })
    .collect()
}

fn said_of(launch: Launch, parts: &[&str]) {
    let began = Instant::now();
    let error = block_on(async { Terraform::new(launch).schema().await.unwrap_err() });
    let text = format!("{error:#}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(began.elapsed() < Duration::from_secs(30));
}

pub fn no_handshake() {
    check("echo waiting >&2; exec sleep 1000", &["`bad`", "did not say within 2 s where it listens", "waiting"]);
}

pub fn garbage_in_place_of_a_handshake() {
    check("head -c 3000000 /dev/urandom; sleep 1000", &["no handshake of a plugin"]);
}

pub fn a_version_that_is_not_spoken() {
    check("echo '1|4|unix|/tmp/x|netrpc|'; sleep 1000", &["version 4 of the plugin protocol over netrpc"]);
}

pub fn it_ends_at_once() {
    check("echo 'panic: no luck' >&2; exit 3", &["it ended before", "exit status 3", "panic: no luck"]);
}

pub fn no_such_program() {
    said_of(
        Launch::file("gone", "/nowhere/terraform-provider-gone"),
        &["/nowhere/terraform-provider-gone", "No such file"],
    );
}

pub fn nobody_listens() {
    check("echo '1|6|unix|/tmp/retrue-nobody|grpc|'; sleep 1000", &["no connection to it"]);
}

pub fn a_certificate_that_is_none() {
    let script = "python3 - <<'X'
import socket, os, sys, time
path = os.environ['TMPDIR'] + '/s'
s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen()
print('1|6|unix|' + path + '|grpc|AQIDBA', flush=True)
c, _ = s.accept(); c.recv(10000); c.sendall(b'not tls at all'); time.sleep(1000)
X";
    check(script, &["no connection to it"]);
}

/// A provider that announces another certificate than the one that it shows.
pub fn a_certificate_that_does_not_match() {
    let Some(program) = there("a_certificate_that_does_not_match", crate::null::FILE) else { return };
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert;
    let other = base64::engine::general_purpose::STANDARD_NO_PAD.encode(other.der());
    let script = format!("{} | sed -u 's#|grpc|.*#|grpc|{other}#'", program.display());
    check(&script, &["no connection to it", "another certificate than the one that it announced"]);
}
