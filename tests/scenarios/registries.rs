//! A registry that has a provider, and nobody who vouches for it.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::net::TcpListener;

use retrue_provider_terraform::install::platform;
use sha2::{Digest, Sha256};

use crate::environment::Environment;

const STACK: &str = "[provider.x]\nsource = \"acme/x\"\nversion = \"~> 1.0\"\n";

fn archive() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = zip::ZipWriter::new(&mut bytes);
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    writer.start_file("terraform-provider-x_v1.2.0_x5", options).unwrap();
    writer.write_all(b"#!/bin/sh\nexit 1\n").unwrap();
    writer.finish().unwrap();
    bytes.into_inner()
}

/// Serves a few files; its address.
fn serve(files: BTreeMap<String, Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 8192];
            let read = stream.read(&mut buffer).unwrap();
            let request = String::from_utf8_lossy(buffer.get(..read).unwrap()).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, body) = files.get(path).map_or(("404 Not Found", &b""[..]), |body| ("200 OK", body));
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    host
}

#[test]
fn what_a_registry_gives_without_a_key_is_told_of_or_refused() {
    let zip = archive();
    let sum: String = Sha256::digest(&zip).iter().map(|byte| format!("{byte:02x}")).collect();
    let (os, arch) = platform().split_once('_').map(|(os, arch)| (os.to_owned(), arch.to_owned())).unwrap();
    let download = serde_json::json!({
        "filename": "x.zip", "download_url": "/x.zip", "shasum": sum, "shasums_url": "/sums",
        "shasums_signature_url": "/sums.sig", "signing_keys": {"gpg_public_keys": []},
    });
    let versions = serde_json::json!({"versions": [{"version": "1.2.0", "protocols": ["5.0"]}]});
    let host = serve(BTreeMap::from([
        ("/v1/acme/x/versions".into(), versions.to_string().into_bytes()),
        (format!("/v1/acme/x/1.2.0/download/{os}/{arch}"), download.to_string().into_bytes()),
        ("/sums".into(), format!("{sum}  x.zip\n").into_bytes()),
        ("/sums.sig".into(), b"anything".to_vec()),
        ("/x.zip".into(), zip),
    ]));
    let mut place = Environment::with(STACK);
    let settings = place.root().join("terraformrc");
    let named =
        format!("host \"registry.opentofu.org\" {{ services = {{ \"providers.v1\" = \"http://{host}/v1/\" }} }}\n");
    fs_err::write(&settings, named).unwrap();
    place.set("TF_CLI_CONFIG_FILE", settings.to_str().unwrap());
    place.set("OPENTOFU_ENFORCE_GPG_VALIDATION", "true");
    place.run(&["providers", "install"]).ends(1).tells("RT0425", &["not to be trusted", "gives no key", "by `path`"]);
    assert!(!place.path(".retrue.lock.toml").exists());
    place.set("OPENTOFU_ENFORCE_GPG_VALIDATION", "false");
    let shown = place.run(&["providers", "install"]).ends(0);
    assert_eq!(shown.stdout, "registry.opentofu.org/acme/x 1.2.0\n");
    assert!(
        shown.stderr.contains("warning: nobody vouches for `registry.opentofu.org/acme/x` 1.2.0"),
        "{}",
        shown.screen()
    );
    assert!(place.read(".retrue.lock.toml").contains(&format!("zh:{sum}")));
}
