"""Calls servers that stand for AWS and for a service of folders: one request a line on standard input, one answer a
line on standard output.

A request is {"run": PYTHON, "ids": {ADDRESS: ID}}, {"value": PYTHON, "ids": ...} or {"look": true}. The first two
are given a client of each service under its name, `folders("METHOD", "PATH")`, and `id("ADDRESS")`. The last lists all
that the server for AWS holds.
"""

import json
import ssl
import sys
import urllib.request

import boto3
from botocore.config import Config

SERVICES = ["ec2", "s3", "iam", "sqs", "dynamodb", "ssm", "sns", "kms", "logs", "ecr", "events", "cloudwatch",
            "secretsmanager", "lambda", "route53", "elbv2", "stepfunctions", "kinesis", "autoscaling"]
REGIONS = ["us-east-1", "eu-west-1"]


def client(service, region="us-east-1"):
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0})
    return boto3.client(service, region_name=region, endpoint_url=sys.argv[1], aws_access_key_id="test",
                        aws_secret_access_key="test", config=config)


CLIENTS = {service: client(service) for service in SERVICES}


def asked(call, **arguments):
    """The answer without its frame; None where there is nothing of the kind."""
    try:
        answer = call(**arguments)
    except Exception as error:
        return {"error": type(error).__name__}
    answer.pop("ResponseMetadata", None)
    return {key: value for key, value in answer.items() if key not in ("NextToken", "nextToken", "Marker", "MaxItems")}


def listed(answer):
    """The one list in an answer."""
    lists = [value for value in answer.values() if isinstance(value, list)]
    return lists[0] if lists else []


def network(ec2):
    calls = ["vpcs", "subnets", "security_groups", "security_group_rules", "route_tables", "internet_gateways",
             "nat_gateways", "network_acls", "network_interfaces", "addresses", "volumes", "key_pairs",
             "vpc_endpoints", "vpc_peering_connections", "dhcp_options", "launch_templates", "placement_groups",
             "customer_gateways"]
    held = {}
    for call in calls:
        held[call] = listed(asked(getattr(ec2, f"describe_{call}")))
    held["instances"] = [i for r in listed(asked(ec2.describe_instances)) for i in r["Instances"]]
    for vpc in held["vpcs"]:
        for name in ("enableDnsSupport", "enableDnsHostnames"):
            answer = asked(ec2.describe_vpc_attribute, VpcId=vpc["VpcId"], Attribute=name)
            vpc[name] = answer.get(name[0].upper() + name[1:])
    return held


def buckets(s3):
    calls = ["versioning", "tagging", "acl", "policy", "cors", "lifecycle_configuration", "encryption", "logging",
             "website", "notification_configuration"]
    held = []
    for bucket in listed(asked(s3.list_buckets)):
        name = bucket["Name"]
        about = {call: asked(getattr(s3, f"get_bucket_{call}"), Bucket=name) for call in calls}
        about["public_access"] = asked(s3.get_public_access_block, Bucket=name)
        about["objects"] = []
        for item in asked(s3.list_objects_v2, Bucket=name).get("Contents", []):
            body = s3.get_object(Bucket=name, Key=item["Key"])
            tags = asked(s3.get_object_tagging, Bucket=name, Key=item["Key"])
            about["objects"].append({"key": item["Key"], "type": body["ContentType"], "tags": tags,
                                     "metadata": body["Metadata"], "body": body["Body"].read().decode()})
        held.append({"name": name, "about": about})
    return held


def identities(iam):
    held = {"roles": [], "policies": [], "users": [], "groups": []}
    for role in listed(asked(iam.list_roles)):
        name = role["RoleName"]
        inline = asked(iam.list_role_policies, RoleName=name).get("PolicyNames", [])
        held["roles"].append({
            "role": role, "tags": asked(iam.list_role_tags, RoleName=name),
            "inline": {n: asked(iam.get_role_policy, RoleName=name, PolicyName=n) for n in inline},
            "attached": asked(iam.list_attached_role_policies, RoleName=name)})
    for policy in listed(asked(iam.list_policies, Scope="Local")):
        version = {"PolicyArn": policy["Arn"], "VersionId": policy["DefaultVersionId"]}
        held["policies"].append({"policy": policy, "document": asked(iam.get_policy_version, **version),
                                 "tags": asked(iam.list_policy_tags, PolicyArn=policy["Arn"])})
    for user in listed(asked(iam.list_users)):
        name = user["UserName"]
        held["users"].append({"user": user, "tags": asked(iam.list_user_tags, UserName=name),
                              "keys": asked(iam.list_access_keys, UserName=name),
                              "groups": asked(iam.list_groups_for_user, UserName=name),
                              "attached": asked(iam.list_attached_user_policies, UserName=name)})
    held["groups"] = listed(asked(iam.list_groups))
    held["profiles"] = listed(asked(iam.list_instance_profiles))
    return held


def look():
    sqs, dynamodb, ssm, sns, kms, logs, ecr, events = (
        CLIENTS[name] for name in ("sqs", "dynamodb", "ssm", "sns", "kms", "logs", "ecr", "events"))
    held = {"ec2": network(CLIENTS["ec2"]), "s3": buckets(CLIENTS["s3"]), "iam": identities(CLIENTS["iam"])}
    # All that a test has elsewhere.
    elsewhere = client("ec2", REGIONS[1])
    held["elsewhere"] = {"vpcs": [v for v in listed(asked(elsewhere.describe_vpcs)) if not v["IsDefault"]],
                         "queues": listed(asked(client("sqs", REGIONS[1]).list_queues))}
    held["sqs"] = [{"queue": q.rsplit("/", 1)[-1], "tags": asked(sqs.list_queue_tags, QueueUrl=q),
                    "about": asked(sqs.get_queue_attributes, QueueUrl=q, AttributeNames=["All"])}
                   for q in listed(asked(sqs.list_queues))]
    held["dynamodb"] = []
    for name in listed(asked(dynamodb.list_tables)):
        table = dynamodb.describe_table(TableName=name)["Table"]
        held["dynamodb"].append({"table": table, "tags": asked(dynamodb.list_tags_of_resource, ResourceArn=table["TableArn"]),
                                 "ttl": asked(dynamodb.describe_time_to_live, TableName=name),
                                 "items": asked(dynamodb.scan, TableName=name)})
    held["ssm"] = [{"parameter": p, "value": ssm.get_parameter(Name=p["Name"], WithDecryption=True)["Parameter"]["Value"],
                    "tags": asked(ssm.list_tags_for_resource, ResourceType="Parameter", ResourceId=p["Name"])}
                   for p in listed(asked(ssm.describe_parameters))]
    held["sns"] = {"topics": [{"about": asked(sns.get_topic_attributes, TopicArn=t["TopicArn"]),
                               "tags": asked(sns.list_tags_for_resource, ResourceArn=t["TopicArn"])}
                              for t in listed(asked(sns.list_topics))],
                   "subscriptions": listed(asked(sns.list_subscriptions))}
    held["kms"] = {"keys": [{"about": asked(kms.describe_key, KeyId=k["KeyId"]),
                             "tags": asked(kms.list_resource_tags, KeyId=k["KeyId"])} for k in listed(asked(kms.list_keys))],
                   "aliases": [a for a in listed(asked(kms.list_aliases)) if not a["AliasName"].startswith("alias/aws/")]}
    held["logs"] = [{"group": g, "tags": asked(logs.list_tags_log_group, logGroupName=g["logGroupName"])}
                    for g in listed(asked(logs.describe_log_groups))]
    held["ecr"] = listed(asked(ecr.describe_repositories))
    held["events"] = [{"rule": r, "targets": asked(events.list_targets_by_rule, Rule=r["Name"])}
                      for r in listed(asked(events.list_rules))]
    held["alarms"] = asked(CLIENTS["cloudwatch"].describe_alarms).get("MetricAlarms")
    held["secrets"] = listed(asked(CLIENTS["secretsmanager"].list_secrets))
    return held


def folders(method, path, **body):
    """A call to the service of folders."""
    head = {"Authorization": f"Bearer {sys.argv[4]}", "Content-Type": "application/json"}
    call = urllib.request.Request(sys.argv[2] + path, json.dumps(body).encode() if body else None, head, method=method)
    return json.load(urllib.request.urlopen(call, context=ssl.create_default_context(cafile=sys.argv[3])))


def answer(request):
    ids = request.get("ids", {})
    names = {**CLIENTS, "client": client, "folders": folders, "id": ids.__getitem__, "json": json}
    if "run" in request:
        exec(request["run"], names)
        return None
    if "value" in request:
        return eval(request["value"], names)
    return look()


for line in sys.stdin:
    try:
        said = {"answer": answer(json.loads(line))}
    except Exception as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(said, default=str), flush=True)
