//! Promise 8: no secret rests in the clear.

use std::ffi::OsString;

use crate::store::{KeySource, Sealer, StoreError};

#[test]
fn what_was_sealed_opens_again_and_only_unchanged() {
    let sealer = Sealer::new(&[7; 32]);
    for content in [&b""[..], b"secret", &[0; 100_000]] {
        let sealed = sealer.seal(content);
        assert!(Sealer::is_sealed(&sealed));
        assert_eq!(sealer.open(&sealed).unwrap(), content);
        assert_eq!(sealed, sealer.seal(content), "the same content gives the same text");
    }
    let sealed = sealer.seal(b"secret");
    assert!(!sealed.contains("secret"));
    for at in 0..sealed.len() {
        let mut changed = sealed.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(sealer.open(&changed).unwrap_err().code(), "RT0714", "byte {at}");
        assert_eq!(sealer.open(&sealed[..at]).unwrap_err().code(), "RT0714", "cut at {at}");
    }
}

#[test]
fn another_key_opens_nothing_and_names_differ() {
    let (one, other) = (Sealer::new(&[1; 32]), Sealer::new(&[2; 32]));
    assert_eq!(other.open(&one.seal(b"x")).unwrap_err().code(), "RT0714");
    assert_ne!(one.keyed_hash(b"x"), other.keyed_hash(b"x"));
    assert_ne!(one.key_id(), other.key_id());
    assert_ne!(one.keyed_hash(b"x"), blake3::hash(b"x").to_hex().to_string());
    assert_eq!(one.key_id().len(), 16);
    assert!(!format!("{one:?}").contains("[1"), "{one:?}");
}

#[test]
fn keys_come_as_hex_base64_or_passphrase() {
    let key = |text: &str| KeySource::Text(text.to_owned()).make("salt").map(|sealer| sealer.key_id().to_owned());
    let hex = key("0101010101010101010101010101010101010101010101010101010101010101").unwrap();
    assert_eq!(hex, Sealer::new(&[1; 32]).key_id());
    assert_eq!(hex, key("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n").unwrap());
    assert_eq!(hex, key("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE").unwrap());
    let phrase = key("correct horse battery staple").unwrap();
    assert_eq!(phrase, key("correct horse battery staple").unwrap());
    assert_ne!(phrase, key("correct horse battery stapler").unwrap());
    let other = KeySource::Text("correct horse battery staple".to_owned()).make("another").unwrap();
    assert_ne!(phrase, other.key_id(), "each store has its own");
    for short in ["", "short"] {
        assert_eq!(key(short).unwrap_err().code(), "RT0713");
    }
}

#[test]
fn a_key_file_is_made_once_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a/b/key");
    let source = KeySource::File(path.clone());
    let missing = source.find("salt", "0123456789abcdef").unwrap_err();
    assert_eq!(missing.code(), "RT0711", "an existing store never gets a new key");
    assert!(!path.exists());
    let first = source.make("salt").unwrap();
    let second = source.make("salt").unwrap();
    assert_eq!(first.key_id(), second.key_id());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 1, "nothing else is left");
    assert!(source.find("salt", first.key_id()).is_ok());
    let wrong = source.find("salt", "0123456789abcdef").unwrap_err();
    assert_eq!(wrong.code(), "RT0712");
    assert!(wrong.to_string().contains(first.key_id()), "{wrong}");
}

#[test]
fn two_that_make_the_key_file_at_once_get_the_same() {
    let home = tempfile::tempdir().unwrap();
    let source = KeySource::File(home.path().join("retrue/key"));
    let ids: Vec<String> = std::thread::scope(|scope| {
        let made: Vec<_> = (0..8).map(|_| scope.spawn(|| source.make("salt").unwrap())).collect();
        made.into_iter().map(|thread| thread.join().unwrap().key_id().to_owned()).collect()
    });
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
}

#[test]
fn a_command_gives_the_key_or_an_error_that_shows_nothing_of_it() {
    let run = |command: &str| KeySource::Command(command.to_owned()).make("salt");
    assert!(run("echo a passphrase of some length").is_ok());
    for (command, shows) in [("exit 3", "3"), ("echo hush-hush; exit 1", "1"), ("echo hush", "12 characters")] {
        let error = run(command).unwrap_err();
        assert_eq!(error.code(), "RT0713");
        assert!(error.to_string().contains(shows), "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
    assert!(!format!("{:?}", KeySource::Text("hush".to_owned())).contains("hush"));
}

#[test]
fn the_source_is_picked_in_order() {
    let pick = |set: &[(&str, &str)]| {
        let set: Vec<(String, OsString)> = set.iter().map(|(k, v)| ((*k).to_owned(), OsString::from(v))).collect();
        KeySource::from_environment(|name| set.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone()))
    };
    let all = [("RETRUE_KEY", "k"), ("RETRUE_KEY_COMMAND", "c"), ("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")];
    assert_eq!(pick(&all).unwrap(), KeySource::Text("k".to_owned()));
    assert_eq!(pick(&all[1..]).unwrap(), KeySource::Command("c".to_owned()));
    assert_eq!(pick(&all[2..]).unwrap(), KeySource::File("/x/retrue/key".into()));
    assert_eq!(pick(&all[3..]).unwrap(), KeySource::File("/h/.config/retrue/key".into()));
    let relative = pick(&[("XDG_CONFIG_HOME", "x"), ("HOME", "/h")]).unwrap();
    assert_eq!(relative, KeySource::File("/h/.config/retrue/key".into()));
    assert!(matches!(pick(&[]), Err(StoreError::KeySource { .. })));
}
