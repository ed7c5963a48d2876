"""An S3 server of a benchmark's own, on the loopback."""


def loopback_s3(port: int | str) -> dict[str, str]:
    """Returns the AWS variables that lead boto3 to a server that asks for no account."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }
