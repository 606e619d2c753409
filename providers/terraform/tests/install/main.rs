//! From a wish to a program: mirrors, archives, locks, servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(missing_docs, unreachable_pub)]

mod registry;
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use retrue_provider_terraform::install::{
    Hash, InstallError, Installation, LockedProvider, Method, Scope, Settings, Wanted, hash_archive, hash_directory,
    platform, program_in,
};

use crate::support::{archive, hex, server, version, wanted};

fn unpacked(root: &Path, address: &str, version: &str, content: &str) -> PathBuf {
    let directory = root.join(address).join(version).join(platform());
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("terraform-provider-x_v1_x5"), content).unwrap();
    std::fs::write(directory.join("LICENSE"), "free").unwrap();
    directory
}

fn locked(version: &str, hashes: &[Hash]) -> Option<LockedProvider> {
    Some(LockedProvider {
        version: version.into(),
        constraints: String::new(),
        hashes: hashes.iter().cloned().collect(),
    })
}

fn installation(cache: &Path, methods: Vec<Method>) -> Installation {
    let methods = methods.into_iter().map(|method| (method, Scope::default())).collect();
    Installation::new(Settings { methods, ..Settings::default() }, cache)
}

#[tokio::test]
async fn mirrors_packed_and_unpacked() {
    let (mirror, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A mirror that Terraform made names Terraform's registry.
    let address = "registry.terraform.io/acme/x";
    let directory = unpacked(mirror.path(), address, "1.2.0", "old");
    let packed = mirror.path().join(address).join(format!("terraform-provider-x_1.3.0_{}.zip", platform()));
    std::fs::write(&packed, archive("new")).unwrap();
    std::fs::write(mirror.path().join(address).join("terraform-provider-x_9.0.0_plan9_mips.zip"), "").unwrap();
    let installation = installation(cache.path(), vec![Method::Filesystem(mirror.path().to_owned())]);

    let newest = installation.find(&wanted("")).await.unwrap();
    assert_eq!(version(&newest), "1.3.0");
    assert!(newest.program.starts_with(cache.path()));
    assert_eq!(std::fs::read_to_string(&newest.program).unwrap(), "new");
    assert!(std::os::unix::fs::PermissionsExt::mode(&newest.program.metadata().unwrap().permissions()) & 0o111 != 0);
    assert_eq!(newest.hashes.len(), 2);
    // What is unpacked hashes as its archive does.
    assert!(newest.hashes.contains(&hash_directory(newest.program.parent().unwrap()).unwrap()));

    let older = installation.find(&wanted("~> 1.2.0")).await.unwrap();
    assert_eq!(older.program, directory.join("terraform-provider-x_v1_x5"));

    let error = installation.find(&wanted(">= 2")).await.unwrap_err();
    assert!(error.to_string().ends_with("there are 1.3.0, 1.2.0"), "{error}");
}

#[tokio::test]
async fn what_is_locked_is_held() {
    let (mirror, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let address = "registry.opentofu.org/acme/x";
    std::fs::create_dir_all(mirror.path().join(address)).unwrap();
    let packed = mirror.path().join(address).join(format!("terraform-provider-x_1.0.0_{}.zip", platform()));
    std::fs::write(&packed, archive("one")).unwrap();
    unpacked(mirror.path(), address, "1.1.0", "two");
    let installation = installation(cache.path(), vec![Method::Filesystem(mirror.path().to_owned())]);
    let hashes = hash_archive(&packed).unwrap();
    for hash in &hashes {
        let wish = Wanted { locked: locked("1.0.0", std::slice::from_ref(hash)), ..wanted(">= 1") };
        assert_eq!(version(&installation.find(&wish).await.unwrap()), "1.0.0");
    }
    // Offline, from the cache.
    std::fs::remove_dir_all(mirror.path().join(address)).unwrap();
    let wish = Wanted { locked: locked("1.0.0", &hashes), ..wanted("") };
    let installed = installation.find(&wish).await.unwrap();
    // What was changed in the cache is not used, and there is nothing else.
    std::fs::write(&installed.program, "evil").unwrap();
    assert!(matches!(installation.find(&wish).await, Err(InstallError::NoVersion { .. })));
    // Nor is another archive of the same version.
    std::fs::create_dir_all(mirror.path().join(address)).unwrap();
    std::fs::write(&packed, archive("evil")).unwrap();
    assert!(matches!(installation.find(&wish).await, Err(InstallError::Mismatch { .. })));
    std::fs::write(&packed, archive("one")).unwrap();
    let mended = installation.find(&wish).await.unwrap();
    assert_eq!(std::fs::read_to_string(mended.program).unwrap(), "one");
    let wish = Wanted { locked: locked("1.0.0", &hashes), ..wanted(">= 1.1") };
    assert!(matches!(installation.find(&wish).await, Err(InstallError::Locked { .. })));
}

#[tokio::test]
async fn overrides_and_hostile_archives() {
    let (directory, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(directory.path().join("terraform-provider-x"), "dev").unwrap();
    std::fs::write(directory.path().join("terraform-provider-xy_v1"), "other").unwrap();
    let mut with_override = installation(cache.path(), Vec::new());
    with_override.settings.overrides.insert("acme/x".parse().unwrap(), directory.path().to_owned());
    let installed = with_override.find(&wanted("= 7.0.0")).await.unwrap();
    assert_eq!(installed.program, directory.path().join("terraform-provider-x"));
    assert_eq!(installed.version, None);

    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = zip::ZipWriter::new(&mut bytes);
    writer.start_file("../terraform-provider-x", zip::write::SimpleFileOptions::default()).unwrap();
    writer.finish().unwrap();
    let mirror = tempfile::tempdir().unwrap();
    let at = mirror.path().join("registry.opentofu.org/acme/x");
    std::fs::create_dir_all(&at).unwrap();
    std::fs::write(at.join(format!("terraform-provider-x_1.0.0_{}.zip", platform())), bytes.into_inner()).unwrap();
    let hostile = installation(cache.path(), vec![Method::Filesystem(mirror.path().to_owned())]);
    let error = hostile.find(&wanted("")).await.unwrap_err();
    assert!(error.to_string().contains("leads out of its directory"), "{error}");
}

#[tokio::test]
async fn a_network_mirror() {
    let zip = archive("net");
    let hash = hex(&zip);
    let at = "/m/registry.terraform.io/acme/x";
    let (host, asked) = server(|_| {
        let version = |hash: &str| {
            format!("{{\"archives\":{{\"{}\":{{\"url\":\"x.zip\",\"hashes\":[\"{hash}\"]}}}}}}", platform())
                .into_bytes()
        };
        BTreeMap::from([
            (format!("{at}/index.json"), br#"{"versions":{"1.0.0":{},"1.1.0":{}}}"#.to_vec()),
            (format!("{at}/1.0.0.json"), version(&hash)),
            (format!("{at}/1.1.0.json"), version(&format!("zh:{}", "0".repeat(64)))),
            (format!("{at}/x.zip"), zip),
        ])
    });
    let cache = tempfile::tempdir().unwrap();
    let installation = installation(cache.path(), vec![Method::Network(format!("http://{host}/m/"))]);
    let installed = installation.find(&wanted("< 1.1")).await.unwrap();
    assert_eq!(std::fs::read_to_string(&installed.program).unwrap(), "net");
    assert!(matches!(installation.find(&wanted("1.1.0")).await, Err(InstallError::Mismatch { .. })));
    let before = asked.lock().unwrap().len();
    let wish = Wanted { locked: locked("1.0.0", &installed.hashes), ..wanted("") };
    installation.find(&wish).await.unwrap();
    assert_eq!(asked.lock().unwrap().len(), before, "what is in the cache needs no network");
}

#[test]
fn hashes_are_those_of_terraform() {
    let cache = std::env::var_os("RETRUE_TEST_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/retrue-tests"),
        PathBuf::from,
    );
    let archive = cache.join("downloads/terraform-provider-aws_3.39.0_linux_amd64.zip");
    if archive.exists() {
        let [zh, h1] = hash_archive(&archive).unwrap();
        assert_eq!(zh.to_string(), "zh:4b75e0a259b56d97e66b7d69f3f25bd4cc7be2440c0fe35529f46de7d40a49d3");
        assert_eq!(h1.to_string(), "h1:goOMfGE4SjLps+hpxJFEM/pZFiNgvi6BMG8/w86+f6k=");
    } else {
        println!("SKIPPED: hashes of aws: {} is not there", archive.display());
    }
    let program = cache.join("bin/terraform-provider-null_v2.1.2_x4");
    if program.exists() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::copy(&program, directory.path().join("terraform-provider-null_v2.1.2_x4")).unwrap();
        assert_eq!(
            hash_directory(directory.path()).unwrap().to_string(),
            "h1:CFnENdqQu4g3LJNevA32aDxcUz2qGkRGQpFfkI8TCdE="
        );
        assert!(program_in(directory.path(), "null").is_ok());
        assert!(program_in(directory.path(), "nul").is_err());
    } else {
        println!("SKIPPED: hashes of null: {} is not there", program.display());
    }
}
