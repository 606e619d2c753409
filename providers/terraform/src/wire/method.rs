//! The names of methods.

/// The version of the plugin protocol that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Five,
    Six,
}

impl Protocol {
    /// The protocol of a number in a handshake.
    pub(crate) fn of(number: u64) -> Option<Self> {
        match number {
            5 => Some(Protocol::Five),
            6 => Some(Protocol::Six),
            _ => None,
        }
    }

    pub(crate) fn number(self) -> u64 {
        match self {
            Protocol::Five => 5,
            Protocol::Six => 6,
        }
    }
}

/// What a provider can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Schema,
    IdentitySchemas,
    ValidateProvider,
    ValidateResource,
    ValidateData,
    ValidateEphemeral,
    Configure,
    UpgradeState,
    Read,
    Plan,
    Apply,
    Import,
    Move,
    ReadData,
    Call,
    Open,
    Renew,
    Close,
    Stop,
}

impl Method {
    /// The path of the method in a protocol.
    pub(crate) fn path(self, protocol: Protocol) -> &'static str {
        macro_rules! both {
            ($name:literal) => {
                both!($name, $name)
            };
            ($five:literal, $six:literal) => {
                match protocol {
                    Protocol::Five => concat!("/tfplugin5.Provider/", $five),
                    Protocol::Six => concat!("/tfplugin6.Provider/", $six),
                }
            };
        }
        match self {
            Method::Schema => both!("GetSchema", "GetProviderSchema"),
            Method::IdentitySchemas => both!("GetResourceIdentitySchemas"),
            Method::ValidateProvider => both!("PrepareProviderConfig", "ValidateProviderConfig"),
            Method::ValidateResource => both!("ValidateResourceTypeConfig", "ValidateResourceConfig"),
            Method::ValidateData => both!("ValidateDataSourceConfig", "ValidateDataResourceConfig"),
            Method::ValidateEphemeral => both!("ValidateEphemeralResourceConfig"),
            Method::Configure => both!("Configure", "ConfigureProvider"),
            Method::UpgradeState => both!("UpgradeResourceState"),
            Method::Read => both!("ReadResource"),
            Method::Plan => both!("PlanResourceChange"),
            Method::Apply => both!("ApplyResourceChange"),
            Method::Import => both!("ImportResourceState"),
            Method::Move => both!("MoveResourceState"),
            Method::ReadData => both!("ReadDataSource"),
            Method::Call => both!("CallFunction"),
            Method::Open => both!("OpenEphemeralResource"),
            Method::Renew => both!("RenewEphemeralResource"),
            Method::Close => both!("CloseEphemeralResource"),
            Method::Stop => both!("Stop", "StopProvider"),
        }
    }

    /// Whether the answer needs nothing outside of the provider.
    pub(crate) fn is_pure(self) -> bool {
        matches!(
            self,
            Method::Schema
                | Method::IdentitySchemas
                | Method::ValidateProvider
                | Method::ValidateResource
                | Method::ValidateData
                | Method::ValidateEphemeral
                | Method::UpgradeState
                | Method::Move
                | Method::Call
        )
    }

    /// What is being done, for errors.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Method::Schema | Method::IdentitySchemas => "schema",
            Method::ValidateProvider | Method::ValidateResource | Method::ValidateData | Method::ValidateEphemeral => {
                "validate"
            }
            Method::Configure => "configure",
            Method::UpgradeState => "upgrade_state",
            Method::Read => "read",
            Method::Plan => "plan",
            Method::Apply => "apply",
            Method::Import => "import",
            Method::Move => "move_state",
            Method::ReadData => "read_data",
            Method::Call => "call",
            Method::Open => "open",
            Method::Renew => "renew",
            Method::Close => "close",
            Method::Stop => "stop",
        }
    }
}
