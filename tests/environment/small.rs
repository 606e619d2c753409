//! A small provider of Terraform's, in as many versions as a test wants.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::Environment;
use super::peers::there;

const PROGRAM: &str = include_str!("small_provider.py");

/// Where its modules are.
const PYTHON: &str = "pyvider/venv/bin/python3";

/// The provider `acme/small` in mirrors of its own.
pub(crate) struct Small {
    python: PathBuf,
}

impl Small {
    /// `None`, and loudly, without the modules that it needs.
    pub(crate) fn new(test: &str) -> Option<Self> {
        there(test, PYTHON).map(|python| Small { python })
    }

    /// The program of a version, which is another one in each.
    fn program(&self, version: &str) -> String {
        let venv = self.python.parent().and_then(|bin| bin.parent()).unwrap();
        let packages =
            fs_err::read_dir(venv.join("lib")).unwrap().next().unwrap().unwrap().path().join("site-packages");
        let protocol = packages.join("pyvider/protocols/tfprotov6/protobuf/tfplugin6_pb2.py");
        let text = PROGRAM.replace("PYTHON", &self.python.display().to_string());
        format!("{}\n# {version}\n", text.replace("PROTOCOL", &protocol.display().to_string()))
    }

    /// Makes a mirror of these versions, and has it be the only one that the settings of Terraform name.
    pub(crate) fn mirror(&self, place: &mut Environment, name: &str, versions: &[&str]) -> PathBuf {
        let mirror = place.root().join(name);
        for version in versions {
            let directory = mirror.join("registry.opentofu.org/acme/small").join(version).join("linux_amd64");
            fs_err::create_dir_all(&directory).unwrap();
            let program = directory.join(format!("terraform-provider-small_v{version}"));
            fs_err::write(&program, self.program(version)).unwrap();
            fs_err::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        }
        let settings = place.root().join("terraformrc");
        let path = mirror.display();
        let text = format!("provider_installation {{\n  filesystem_mirror {{\n    path = \"{path}\"\n  }}\n}}\n");
        fs_err::write(&settings, text).unwrap();
        place.set("TF_CLI_CONFIG_FILE", settings.to_str().unwrap());
        mirror
    }
}

/// Where the things of a place are.
pub(crate) fn world(place: &Environment) -> PathBuf {
    place.root().join("world")
}

/// What the provider was asked.
pub(crate) fn asked(place: &Environment) -> String {
    fs_err::read_to_string(world(place).join("asked")).unwrap_or_default()
}
