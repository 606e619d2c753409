//! Real providers, and a server that stands for AWS; where they are absent, tests say so and are left out.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Environment, wait_for};

/// Where `providers/terraform/tests/fetch` puts things.
pub(crate) fn cache() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    variable("RETRUE_TEST_CACHE").unwrap_or_else(|| {
        let home = || variable("HOME").unwrap_or_default().join(".cache");
        variable("XDG_CACHE_HOME").unwrap_or_else(home).join("retrue-tests")
    })
}

/// A file of the cache; `None`, and loudly, when it is not there.
pub(crate) fn there(test: &str, file: &str) -> Option<PathBuf> {
    let path = cache().join(file);
    if path.exists() {
        return Some(path);
    }
    println!("SKIPPED: {test}: {} is not there; providers/terraform/tests/fetch brings it", path.display());
    None
}

/// A mirror with the null provider, unpacked, and with that of AWS, packed; the settings of Terraform name it.
pub(crate) fn mirror(test: &str, place: &mut Environment) -> Option<PathBuf> {
    let null = there(test, "bin/terraform-provider-null_v2.1.2_x4")?;
    let mirror = place.root().join("mirror");
    let unpacked = mirror.join("registry.terraform.io/hashicorp/null/2.1.2/linux_amd64");
    fs_err::create_dir_all(&unpacked).unwrap();
    fs_err::copy(&null, unpacked.join("terraform-provider-null_v2.1.2_x4")).unwrap();
    for version in ["3.39.0", "2.70.0"] {
        let archive = format!("terraform-provider-aws_{version}_linux_amd64.zip");
        if let Some(aws) = there(test, &format!("downloads/{archive}")) {
            let packed = mirror.join("registry.terraform.io/hashicorp/aws");
            fs_err::create_dir_all(&packed).unwrap();
            link(&aws, &packed.join(archive));
        }
    }
    let settings = place.root().join("terraformrc");
    let text = format!(
        "provider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n    include = [\"*/*/*\"]\n  }}\n}}\n",
        mirror.display()
    );
    fs_err::write(&settings, text).unwrap();
    place.set("TF_CLI_CONFIG_FILE", settings.to_str().unwrap());
    Some(mirror)
}

fn link(from: &Path, to: &Path) {
    if fs_err::hard_link(from, to).is_err() {
        fs_err::copy(from, to).unwrap();
    }
}

/// Something of AWS that is found by its marker alone, and two things of which each waits for the one before.
pub(crate) const AWS_CHAIN: &str = r#"
[resource.aws_vpc.main]
cidr_block = "10.0.0.0/16"
tags = { Name = "main" }

[resource.aws_sqs_queue.jobs]
name = "jobs"
tags = { of = "${aws_vpc.main.id}" }

[resource.aws_ssm_parameter.size]
name = "/size"
type = "String"
value = "large"
depends_on = ["aws_sqs_queue.jobs"]
"#;

/// A server that stands for AWS. It ends with the value.
pub(crate) struct Aws {
    process: Child,
    port: u16,
}

impl Aws {
    /// Starts one; `None`, and loudly, when there is none.
    pub(crate) fn start(test: &str) -> Option<Aws> {
        let program = there(test, "tools/bin/moto_server")?;
        there(test, "downloads/terraform-provider-aws_3.39.0_linux_amd64.zip")?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Aws { process, port };
        wait_for("the server", || TcpStream::connect(("127.0.0.1", port)).ok());
        // What is there by default is made at the first call.
        server.text("/?Action=DescribeVpcs&Version=2016-11-15");
        Some(server)
    }

    /// The configuration of the provider that uses it.
    pub(crate) fn provider(&self) -> String {
        Self::provider_at(self.port)
    }

    /// The port that it listens at.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Makes it as new.
    pub(crate) fn reset(&self) {
        let answer = self.request("POST", "/moto-api/reset");
        assert!(answer.contains(" 200 "), "{answer}");
        self.text("/?Action=DescribeVpcs&Version=2016-11-15");
    }

    /// The endpoints of all services that are used, at a port.
    pub(crate) fn endpoints_at(port: u16) -> impl Iterator<Item = String> {
        let services = ["s3", "ec2", "iam", "sqs", "sts", "dynamodb", "ssm"].into_iter();
        services.map(move |name| format!("{name} = \"http://127.0.0.1:{port}\""))
    }

    /// The configuration of a provider that finds it at another port.
    pub(crate) fn provider_at(port: u16) -> String {
        let endpoints: String = Self::endpoints_at(port).map(|endpoint| format!("{endpoint}\n")).collect();
        format!(
            r#"
[provider.aws]
source = "hashicorp/aws"
version = "~> 3.39"
region = "us-east-1"
access_key = "test"
secret_key = "planted-secret-key"
s3_force_path_style = true
skip_credentials_validation = true
skip_metadata_api_check = true
skip_requesting_account_id = true
skip_get_ec2_platforms = true
skip_region_validation = true

[provider.aws.endpoints]
{endpoints}"#
        )
    }

    /// Puts an object into a bucket.
    pub(crate) fn put(&self, path: &str) {
        let answer = self.request_of("s3", "PUT", path);
        assert!(answer.contains(" 200 "), "{answer}");
    }

    /// What the server holds: kinds and ids, sorted.
    pub(crate) fn truth(&self) -> Vec<String> {
        let python = cache().join("tools/bin/python");
        let url = format!("http://127.0.0.1:{}", self.port);
        let output = Command::new(python).args(["-c", LIST, &url]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// What the server holds, in full.
    pub(crate) fn things(&self) -> Vec<Thing> {
        let python = cache().join("tools/bin/python");
        let url = format!("http://127.0.0.1:{}", self.port);
        let output = Command::new(python).args(["-c", DESCRIBE, &url]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| {
                let mut fields = line.split('\t').map(str::to_owned);
                let mut next = || fields.next().unwrap();
                Thing { id: next(), is_default: next() == "True", is_marked: next() == "True", what: next() }
            })
            .collect()
    }

    /// The answer to a call, with its head.
    fn text(&self, path: &str) -> String {
        self.request("GET", path)
    }

    fn request(&self, method: &str, path: &str) -> String {
        self.request_of("ec2", method, path)
    }

    fn request_of(&self, service: &str, method: &str, path: &str) -> String {
        use std::io::{Read as _, Write as _};
        let credential = format!("AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/{service}/aws4_request");
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!("Host: 127.0.0.1\r\nAuthorization: {credential}, SignedHeaders=host, Signature=0");
        write!(stream, "{method} {path} HTTP/1.0\r\n{head}\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

/// Something that the server holds.
#[derive(Debug)]
pub(crate) struct Thing {
    pub(crate) id: String,
    /// It is made by the cloud itself, together with something else.
    pub(crate) is_default: bool,
    /// It carries a marker.
    pub(crate) is_marked: bool,
    /// All about it that the cloud did not choose, but for the marker.
    pub(crate) what: String,
}

/// The same in full: an id, whether the cloud made it by itself, whether it has a marker, and all about it.
const DESCRIBE: &str = r#"
import sys, json, boto3
def client(service):
    return boto3.client(service, region_name="us-east-1", endpoint_url=sys.argv[1],
                        aws_access_key_id="test", aws_secret_access_key="test")
def show(id, kind, name, about, tags, default=False):
    if isinstance(tags, list):
        tags = {t["Key"]: t["Value"] for t in tags}
    marked = tags.pop("retrue:object", None) is not None
    about = {"about": about, "tags": tags}
    text = json.dumps(about, sort_keys=True, default=str)
    for vpc, cidr in networks.items():
        text = text.replace(vpc, cidr)
    out.append((id, str(default), str(marked), f"{kind} {name} {text}"))
out, networks = [], {}
ec2, sqs, s3, db, iam, ssm = [client(s) for s in ("ec2", "sqs", "s3", "dynamodb", "iam", "ssm")]
vpcs = ec2.describe_vpcs()["Vpcs"]
networks = {v["VpcId"]: v["CidrBlock"] for v in vpcs}
for v in vpcs:
    dns = [ec2.describe_vpc_attribute(VpcId=v["VpcId"], Attribute=a)[a[0].upper() + a[1:]]["Value"]
           for a in ("enableDnsSupport", "enableDnsHostnames")]
    show(v["VpcId"], "vpc", v["CidrBlock"], [v["IsDefault"], v["InstanceTenancy"], dns], v.get("Tags", []), v["IsDefault"])
for s in ec2.describe_subnets()["Subnets"]:
    about = [s["VpcId"], s["MapPublicIpOnLaunch"], s["AssignIpv6AddressOnCreation"]]
    show(s["SubnetId"], "subnet", s["CidrBlock"], about, s.get("Tags", []), s["DefaultForAz"])
for g in ec2.describe_security_groups()["SecurityGroups"]:
    def rules(way):
        return sorted(json.dumps({k: r.get(k) for k in ("IpProtocol", "FromPort", "ToPort", "IpRanges", "Ipv6Ranges")},
                                 sort_keys=True) for r in g[way])
    about = [g["VpcId"], g["Description"], rules("IpPermissions"), rules("IpPermissionsEgress")]
    show(g["GroupId"], "group", g["GroupName"], about, g.get("Tags", []), g["GroupName"] == "default")
for r in ec2.describe_instances()["Reservations"]:
    for i in r["Instances"]:
        if i["State"]["Name"] != "terminated":
            about = [i["InstanceType"], i["VpcId"], i["PrivateIpAddress"], sorted(g["GroupName"] for g in i["SecurityGroups"])]
            show(i["InstanceId"], "instance", i["ImageId"], about, i.get("Tags", []))
for q in sqs.list_queues().get("QueueUrls", []):
    a = sqs.get_queue_attributes(QueueUrl=q, AttributeNames=["All"])["Attributes"]
    about = {k: a[k] for k in a if "Timestamp" not in k}
    show(q, "queue", q.rsplit("/")[-1], about, sqs.list_queue_tags(QueueUrl=q).get("Tags", {}))
for b in s3.list_buckets()["Buckets"]:
    n = b["Name"]
    try:
        tags = s3.get_bucket_tagging(Bucket=n)["TagSet"]
    except Exception:
        tags = []
    def part(call, name):
        try:
            return call(Bucket=n)[name]
        except Exception:
            return None
    about = [s3.get_bucket_versioning(Bucket=n).get("Status"), part(s3.get_bucket_cors, "CORSRules"),
             part(s3.get_bucket_lifecycle_configuration, "Rules")]
    show(n, "bucket", n, about, tags)
for t in db.list_tables()["TableNames"]:
    d = db.describe_table(TableName=t)["Table"]
    about = [d["KeySchema"], d["AttributeDefinitions"], d.get("BillingModeSummary", {}).get("BillingMode")]
    show(t, "table", t, about, db.list_tags_of_resource(ResourceArn=d["TableArn"])["Tags"])
for r in iam.list_roles()["Roles"]:
    n = r["RoleName"]
    about = [r["Path"], r["AssumeRolePolicyDocument"], r["MaxSessionDuration"]]
    show(n, "role", n, about, iam.list_role_tags(RoleName=n)["Tags"])
for p in ssm.describe_parameters()["Parameters"]:
    v = ssm.get_parameter(Name=p["Name"])["Parameter"]
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=p["Name"])["TagList"]
    show(p["Name"], "parameter", p["Name"], [v["Type"], v["Value"], v["Version"]], tags)
for line in sorted(out, key=lambda line: line[3]):
    print("\t".join(line))
"#;

/// Lists what there is, as a client of AWS sees it.
const LIST: &str = r#"
import sys, boto3
def client(service):
    return boto3.client(service, region_name="us-east-1", endpoint_url=sys.argv[1],
                        aws_access_key_id="test", aws_secret_access_key="test")
ec2 = client("ec2")
found = [("vpc", v["VpcId"]) for v in ec2.describe_vpcs()["Vpcs"]]
found += [("subnet", s["SubnetId"]) for s in ec2.describe_subnets()["Subnets"]]
found += [("group", g["GroupId"]) for g in ec2.describe_security_groups()["SecurityGroups"]]
found += [("queue", q) for q in client("sqs").list_queues().get("QueueUrls", [])]
found += [("bucket", b["Name"]) for b in client("s3").list_buckets()["Buckets"]]
found += [("table", t) for t in client("dynamodb").list_tables()["TableNames"]]
found += [("role", r["RoleName"]) for r in client("iam").list_roles()["Roles"]]
found += [("parameter", p["Name"]) for p in client("ssm").describe_parameters()["Parameters"]]
for kind, name in sorted(found):
    print(kind, name)
"#;

impl Drop for Aws {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
