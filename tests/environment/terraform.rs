//! The real Terraform beside a stack.

use std::process::Command;

use super::peers::mirror;
use super::{Environment, Shown};

/// What the provider of protocol 6 needs for its types that are there for tests.
pub(crate) const PYVIDER: [(&str, &str); 2] =
    [("PYVIDER_TESTMODE", "true"), ("PYVIDER_PRIVATE_STATE_SHARED_SECRET", "a secret of the tests")];

/// A directory of Terraform's beside a stack.
pub(crate) struct Beside {
    pub(crate) place: Environment,
    /// The file of Terraform's settings.
    pub(crate) settings: String,
}

impl Beside {
    /// With the null provider, and that of AWS where it is there; `None`, and loudly, without Terraform.
    pub(crate) fn new(test: &str) -> Option<Self> {
        if Command::new("terraform").arg("version").output().is_err() {
            println!("SKIPPED: {test}: there is no `terraform`");
            return None;
        }
        let mut place = Environment::new();
        mirror(test, &mut place)?;
        let settings = place.root().join("terraformrc").display().to_string();
        Some(Beside { place, settings })
    }

    /// Runs Terraform in its directory.
    #[track_caller]
    pub(crate) fn terraform(&self, arguments: &[&str]) -> Shown {
        let output = Command::new("terraform")
            .args(arguments)
            .arg("-no-color")
            .current_dir(self.place.path("infra"))
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.place.root().join("home"))
            .env("TF_CLI_CONFIG_FILE", &self.settings)
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .envs(PYVIDER)
            .output()
            .unwrap();
        self.place.shown(output)
    }

    /// Makes what a configuration says, with Terraform, which then has nothing more to do.
    #[track_caller]
    pub(crate) fn make(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            self.place.write(&format!("infra/{name}"), text);
        }
        self.terraform(&["init", "-input=false"]).ends(0);
        self.terraform(&["apply", "-input=false", "-auto-approve"]).ends(0);
        self.terraform(&["plan", "-input=false", "-detailed-exitcode"]).ends(0);
    }

    /// Takes it over: the same addresses, and nothing to do.
    #[track_caller]
    pub(crate) fn migrate(&self) {
        self.migrate_with(str::to_owned);
    }

    /// Takes it over, with other addresses for what is in modules, and nothing to do.
    #[track_caller]
    pub(crate) fn migrate_with(&self, flat: impl Fn(&str) -> String) {
        let listed = self.terraform(&["state", "list"]).ends(0);
        let mut theirs: Vec<String> = listed
            .stdout
            .lines()
            .filter(|line| !line.starts_with("data.") && !line.contains(".data."))
            .map(flat)
            .map(|line| line.replacen("terraform_data.", "retrue_data.", 1))
            .collect();
        theirs.sort();
        self.place.run(&["migrate", "infra"]).ends(0);
        let mut ours = self.place.recorded();
        ours.sort();
        assert_eq!(ours, theirs);
        self.nothing_to_do();
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Shown {
        let values = self.place.path("terraform.vars.toml").exists();
        let values: &[&str] = if values { &["--var-file", "terraform.vars.toml"] } else { &[] };
        self.place.run(&[arguments, values].concat())
    }

    /// No change, and no record that is to be brought up to date either.
    #[track_caller]
    pub(crate) fn nothing_to_do(&self) {
        self.run(&["plan", "--detailed-exitcode"]).ends(0);
        self.run(&["reconcile"]).ends(0);
        self.run(&["plan", "-o", "plan"]).ends(0);
        let plan = self.place.run(&["show", "plan", "--json"]).ends(0).json();
        assert_eq!(plan["changes"], serde_json::json!([]), "{plan}");
    }

    /// Terraform goes on with the state that is handed to it, and has nothing to do.
    #[track_caller]
    pub(crate) fn hand_back(&self) {
        let shown = self.place.run(&["state", "export", "--format", "tfstate"]).ends(0);
        let before = self.place.read("infra/terraform.tfstate");
        self.place.write("infra/terraform.tfstate", &shown.stdout);
        let planned = self.terraform(&["plan", "-input=false", "-detailed-exitcode"]);
        self.place.write("infra/terraform.tfstate", before);
        planned.ends(0);
    }

    /// Changes the stack, applies that, takes it back.
    #[track_caller]
    pub(crate) fn there_and_back(&self, from: &str, to: &str) {
        let stack = self.place.read("retrue.toml");
        assert!(stack.contains(from), "{stack}");
        self.place.write("retrue.toml", stack.replace(from, to));
        self.run(&["plan", "--detailed-exitcode"]).ends(2);
        self.run(&["apply", "--yes"]).ends(0);
        self.run(&["plan", "--detailed-exitcode"]).ends(0);
        self.run(&["compensate", "--yes"]).ends(0);
        self.place.write("retrue.toml", stack);
        self.run(&["plan", "--detailed-exitcode"]).ends(0);
    }

    #[track_caller]
    pub(crate) fn end(&self) {
        self.run(&["destroy", "--yes"]).ends(0);
        assert!(self.place.recorded().is_empty());
    }
}
