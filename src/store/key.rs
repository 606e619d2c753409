//! Where the key comes from. It never lies in the store.

use std::ffi::OsString;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::{Sealer, StoreError, StoreResult};

/// How long a command may take to print the key: a person may have to touch a token meanwhile.
const COMMAND_DEADLINE: Duration = Duration::from_secs(120);

/// The shortest passphrase that is taken, in characters.
const SHORTEST: usize = 12;

/// What stretches a passphrase: about a tenth of a second.
const BCRYPT_COST: u32 = 11;

/// Where the key of a store comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The key itself, as base64 or hex of 32 bytes, or a passphrase.
    Text(String),
    /// A shell command that prints such a text.
    Command(String),
    /// A file with such a text. Made with a random key when a store is made and there is none.
    File(PathBuf),
}

impl fmt::Debug for KeySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeySource({self})")
    }
}

/// Names the source and shows nothing of the key.
impl fmt::Display for KeySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::Text(_) => formatter.write_str("RETRUE_KEY"),
            KeySource::Command(_) => formatter.write_str("RETRUE_KEY_COMMAND"),
            KeySource::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

impl KeySource {
    /// Picks the source: `RETRUE_KEY`, else `RETRUE_KEY_COMMAND`, else the file `retrue/key` in the
    /// user's configuration directory. `variable` looks up a variable of the environment.
    pub fn from_environment(variable: impl Fn(&str) -> Option<OsString>) -> StoreResult<KeySource> {
        let text = |name: &str| -> StoreResult<Option<String>> {
            let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return Ok(None) };
            let value = value.into_string().map_err(|_| failed(name, "it is not UTF-8"))?;
            Ok(Some(value))
        };
        if let Some(key) = text("RETRUE_KEY")? {
            return Ok(KeySource::Text(key));
        }
        if let Some(command) = text("RETRUE_KEY_COMMAND")? {
            return Ok(KeySource::Command(command));
        }
        let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        // A relative XDG_CONFIG_HOME is to be ignored: XDG Base Directory Specification.
        let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
        match config {
            Some(directory) => Ok(KeySource::File(directory.join("retrue/key"))),
            None => Err(failed("the key file", "HOME is not set, so there is no place for it")),
        }
    }

    /// Gets the key for a store that is being made; a key file that is not there is made.
    /// `salt` is what the store has of its own: with it a passphrase gives each store another key.
    pub(super) fn make(&self, salt: &str) -> StoreResult<Sealer> {
        if let KeySource::File(path) = self
            && !exists(path)?
        {
            make_file(path)?;
        }
        self.read(salt)?.ok_or_else(|| failed(self, "it was removed a moment ago"))
    }

    /// Gets the key of a store that exists, and is known to have been made with the key `wanted`.
    pub(super) fn find(&self, salt: &str, wanted: &str) -> StoreResult<Sealer> {
        let Some(sealer) = self.read(salt)? else {
            let looked = format!("RETRUE_KEY and RETRUE_KEY_COMMAND are not set, and there is no {self}");
            return Err(StoreError::KeyMissing { wanted: wanted.to_owned(), looked });
        };
        if sealer.key_id() != wanted {
            let (wanted, found, from) = (wanted.to_owned(), sealer.key_id().to_owned(), self.to_string());
            return Err(StoreError::KeyWrong { wanted, found, from });
        }
        Ok(sealer)
    }

    fn read(&self, salt: &str) -> StoreResult<Option<Sealer>> {
        let text = match self {
            KeySource::Text(text) => text.clone(),
            KeySource::Command(command) => run(command)?,
            KeySource::File(path) => match fs_err::read_to_string(path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(failed(self, &error.to_string())),
            },
        };
        let key = match decode(text.trim()) {
            Some(key) => key,
            None => stretch(text.trim(), salt).map_err(|what| failed(self, what))?,
        };
        Ok(Some(Sealer::new(&key)))
    }
}

fn failed(from: impl fmt::Display, what: &str) -> StoreError {
    StoreError::KeySource { from: from.to_string(), what: what.to_owned() }
}

fn exists(path: &Path) -> StoreResult<bool> {
    path.try_exists().map_err(|error| failed(path.display(), &error.to_string()))
}

/// 32 bytes in hex or any kind of base64.
fn decode(text: &str) -> Option<[u8; 32]> {
    if text.len() == 64
        && let Ok(hash) = blake3::Hash::from_hex(text.to_ascii_lowercase())
    {
        return Some(*hash.as_bytes());
    }
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|engine| <[u8; 32]>::try_from(engine.decode(text).ok()?).ok())
}

/// Makes a key from a passphrase, slowly, so that it cannot be found by trying many.
fn stretch(passphrase: &str, salt: &str) -> Result<[u8; 32], &'static str> {
    if passphrase.chars().count() < SHORTEST {
        return Err("it is neither 32 bytes as base64 or hex, nor a passphrase of at least 12 characters");
    }
    let salt = blake3::derive_key("retrue 2025 passphrase salt", salt.as_bytes());
    let (salt, _) = salt.split_first_chunk::<16>().ok_or("it has no salt")?;
    // bcrypt looks at 72 bytes at most; the hash takes in all of a longer passphrase.
    let hash = blake3::hash(passphrase.as_bytes()).to_hex();
    let stretched = bcrypt::bcrypt(BCRYPT_COST, *salt, hash.as_bytes());
    Ok(blake3::derive_key("retrue 2025 passphrase key", &stretched))
}

/// Makes the key file, with a random key, for its owner alone. When two make it at the same time,
/// the first one's is kept.
fn make_file(path: &Path) -> StoreResult<()> {
    let error = |error: std::io::Error| failed(path.display(), &error.to_string());
    let directory = path.parent().ok_or_else(|| failed(path.display(), "it has no directory"))?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(error)?;
    let mut random = [0; 40];
    getrandom::fill(&mut random).map_err(|error| failed("the random numbers of the system", &error.to_string()))?;
    let (key, name) = random.split_at(32);
    let temporary = directory.join(format!(".retrue-key-{}", blake3::hash(name).to_hex()));
    let result = (|| {
        let mut file = fs_err::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(STANDARD.encode(key).as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        // CRASH: a file `.retrue-key-…` is left beside the key file; no store uses it.
        crate::crash_point!("store.key.written");
        match fs_err::hard_link(&temporary, path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
            _ => fs_err::File::open(directory)?.sync_all(),
        }
    })();
    let removed = fs_err::remove_file(&temporary);
    result.map_err(error)?;
    removed.map_err(error)
}

/// Runs the command that prints the key. What it prints is not shown, whatever happens.
fn run(command: &str) -> StoreResult<String> {
    let from = "RETRUE_KEY_COMMAND";
    let error = |error: std::io::Error| failed(from, &error.to_string());
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(error)?;
    let mut output = child.stdout.take().ok_or_else(|| failed(from, "it has no output"))?;
    // A key is short; a command that prints without end is cut off.
    let (send, receive) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let result = output.by_ref().take(64 * 1024).read_to_end(&mut text);
        let _ = send.send(result.map(|_| text));
    });
    let started = Instant::now();
    let text = receive.recv_timeout(COMMAND_DEADLINE);
    if text.is_ok() {
        // It ends with its answer.
        let _ = reader.join();
    }
    let status = loop {
        match child.try_wait().map_err(error)? {
            Some(status) => break status,
            None if text.is_err() || started.elapsed() > COMMAND_DEADLINE => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(from, &format!("it did not end within {} s", COMMAND_DEADLINE.as_secs())));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    if !status.success() {
        return Err(failed(from, &format!("the command failed: {status}")));
    }
    let text = text.map_err(|_| failed(from, "it printed nothing"))?.map_err(error)?;
    String::from_utf8(text).map_err(|_| failed(from, "it did not print text"))
}
