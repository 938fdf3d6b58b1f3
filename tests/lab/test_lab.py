"""The lab does what its docstring says, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import urllib.request

import pytest

from tests.lab import CommandFailed, DatabaseContainer, Lab, images, processes

pytestmark = pytest.mark.lab


@pytest.fixture(params=["mysql", "mariadb"])
def database(lab: Lab, request: pytest.FixtureRequest) -> DatabaseContainer:
    """Each of the shared servers."""
    found = lab.mysql if request.param == "mysql" else lab.mariadb
    assert isinstance(found, DatabaseContainer)
    return found


def test_a_container_gives_its_output_and_exit_code(lab: Lab) -> None:
    assert lab.docker("run", "--rm", images.DEBIAN, "echo", "hello") == "hello\n"
    with pytest.raises(CommandFailed, match="exited 7"):
        lab.docker("run", "--rm", images.DEBIAN, "sh", "-c", "exit 7")


def test_an_application_sees_its_volume(lab: Lab) -> None:
    volume = lab.new_volume()
    with lab.run_app(volumes={volume: "/data"}) as app:
        app.sh('echo "$WORD" > /data/file', WORD="hello")
        assert app.state() == "running"
    assert (lab.volume_path(volume) / "file").read_text() == "hello\n"
    assert app.state() == ""


def test_a_database_logs_its_changes(database: DatabaseContainer) -> None:
    version = database.value("SELECT VERSION()")
    assert version.startswith("9." if database.kind == "mysql" else "10.11.")
    assert database.value("SELECT @@log_bin") == "1"
    assert int(database.value("SELECT @@server_id")) > 1
    assert database.value("SELECT @@binlog_format") == "ROW"


def test_a_database_has_transaction_ids(lab: Lab) -> None:
    assert lab.mysql.value("SELECT @@gtid_mode") == "ON"
    lab.mysql.sql("CREATE DATABASE lab_gtid; DROP DATABASE lab_gtid")
    assert lab.mysql.value("SELECT @@server_uuid") in lab.mysql.value("SELECT @@gtid_executed")
    lab.mariadb.sql("CREATE DATABASE lab_gtid; DROP DATABASE lab_gtid")
    assert lab.mariadb.value("SELECT @@gtid_binlog_pos").startswith("0-")


def test_rows_come_back_as_they_are(database: DatabaseContainer) -> None:
    rows = database.sql(r"SELECT 'tab\there', 'line\nend', 'back\\slash', 'é', NULL; SELECT 2")
    assert rows == [("tab\there", "line\nend", "back\\slash", "é", "NULL"), ("2",)]
    with pytest.raises(CommandFailed, match="1146"):
        database.sql("SELECT * FROM mysql.absent")


def test_a_restarted_database_keeps_its_identity(lab: Lab) -> None:
    with lab.run_mysql() as server:
        before = server.sql("SELECT @@server_id, @@server_uuid")
        lab.docker("restart", server.name)
        server.wait_ready()
        assert server.sql("SELECT @@server_id, @@server_uuid") == before


def test_a_filled_volume_is_served_as_it_is(lab: Lab) -> None:
    volume = lab.new_volume()
    with lab.run_mariadb(volume=volume) as first:
        first.sql("CREATE DATABASE kept")
        lab.docker("stop", first.name)
        with lab.run_mariadb(volume=volume, root_password=first.root_password) as second:
            assert ("kept",) in second.sql("SHOW DATABASES")


def test_s3_stores_objects_whole_and_in_parts(lab: Lab) -> None:
    bucket = lab.s3.new_bucket()
    client = lab.s3.client()
    client.put_object(Bucket=bucket, Key="one", Body=b"hello")
    assert client.get_object(Bucket=bucket, Key="one")["Body"].read() == b"hello"
    upload = client.create_multipart_upload(Bucket=bucket, Key="two")["UploadId"]
    parts = []
    for number, body in ((1, b"a" * (5 << 20)), (2, b"b")):
        tag = client.upload_part(
            Bucket=bucket, Key="two", UploadId=upload, PartNumber=number, Body=body
        )["ETag"]
        parts.append({"PartNumber": number, "ETag": tag})
    client.complete_multipart_upload(
        Bucket=bucket,
        Key="two",
        UploadId=upload,
        MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
    )
    tail = client.get_object(Bucket=bucket, Key="two", Range="bytes=5242879-")
    assert tail["Body"].read() == b"ab"
    client.close()


def test_the_bare_machine_reaches_the_store(lab: Lab) -> None:
    bucket = lab.s3.new_bucket("bare")
    with lab.run_bare() as bare:
        listing = bare.sh(
            "gpg --version; zstd --version; aws --endpoint-url $AWS_ENDPOINT_URL s3 ls",
            **lab.s3.environment(),
        )
        assert bucket in listing
        with pytest.raises(CommandFailed):
            bare.exec("mentat-dr", "--version")


def test_prometheus_sees_what_is_pushed(lab: Lab) -> None:
    body = b"# TYPE lab_pushed gauge\nlab_pushed 42\n"
    url = f"{lab.pushgateway_url}/metrics/job/lab"
    with urllib.request.urlopen(urllib.request.Request(url, body, method="PUT"), timeout=5):
        pass

    def seen() -> bool:
        query = f"{lab.prometheus_url}/api/v1/query?query=lab_pushed"
        with urllib.request.urlopen(query, timeout=5) as answer:
            return b'"42"' in answer.read()

    processes.wait_until(seen, what="the pushed metric", seconds=30)


def test_prometheus_alerts_the_alertmanager(lab: Lab) -> None:
    rule = "groups: [{name: lab, rules: [{alert: LabAlert, expr: vector(1)}]}]\n"
    (lab.monitoring.rules / "lab-test.yml").write_text(rule)
    lab.monitoring.reload()

    def alerted() -> bool:
        with urllib.request.urlopen(f"{lab.alertmanager_url}/api/v2/alerts", timeout=5) as answer:
            return b"LabAlert" in answer.read()

    processes.wait_until(alerted, what="the alert", seconds=30)
    (lab.monitoring.rules / "lab-test.yml").unlink()
    lab.monitoring.reload()


def test_restic_runs(lab: Lab) -> None:
    said = subprocess.run([lab.restic, "version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("restic 0.")


def test_a_second_site_can_fall_and_come_back(lab: Lab) -> None:
    server = lab.run_s3("second-site")
    bucket = server.new_bucket()
    client = server.client()
    client.put_object(Bucket=bucket, Key="kept", Body=b"hello")
    lab.server_process("second-site").signal(signal.SIGKILL)
    processes.wait_until(
        lambda: not lab.server_process("second-site").alive, what="its end", seconds=10
    )
    assert not server.serves()
    lab.restart_s3(server, "second-site")
    assert client.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"hello"
    client.close()


def test_a_cluster_survives_the_loss_of_a_volume_server(lab: Lab) -> None:
    server = lab.run_s3_cluster("cluster")
    bucket = server.new_bucket()
    client = server.client()
    for number in range(20):
        client.put_object(Bucket=bucket, Key=f"key-{number}", Body=b"x" * 10_000)
    lab.server_process("cluster-volume-1").signal(signal.SIGKILL)
    for number in range(20):
        found = client.get_object(Bucket=bucket, Key=f"key-{number}")["Body"].read()
        assert found == b"x" * 10_000
    client.close()
