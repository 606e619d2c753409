//! What the tests share: archives, servers, wishes.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use retrue_provider_terraform::install::{Installed, Wanted, hash_archive};

pub fn archive(content: &str) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = zip::ZipWriter::new(&mut bytes);
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    writer.start_file("terraform-provider-x_v1_x5", options).unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    writer.start_file("LICENSE", options).unwrap();
    writer.write_all(b"free").unwrap();
    writer.finish().unwrap();
    bytes.into_inner()
}

pub fn wanted(constraints: &str) -> Wanted {
    Wanted { address: "acme/x".parse().unwrap(), constraints: constraints.parse().unwrap(), locked: None }
}

pub fn version(installed: &Installed) -> String {
    installed.version.as_ref().unwrap().to_string()
}

/// A server with a few files, and the paths that it was asked for.
pub fn server(files: impl FnOnce(&str) -> BTreeMap<String, Vec<u8>>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (files, asked) = (files(&host), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 8192];
            let read = stream.read(&mut buffer).unwrap();
            let path = String::from_utf8_lossy(&buffer[..read]).split(' ').nth(1).unwrap_or_default().to_owned();
            heard.lock().unwrap().push(path.clone());
            let (status, body) = files.get(&path).map_or(("404 Not Found", &b""[..]), |body| ("200 OK", body));
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    (host, asked)
}

pub fn hex(bytes: &[u8]) -> String {
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), bytes).unwrap();
    hash_archive(path.path()).unwrap()[0].to_string()
}
