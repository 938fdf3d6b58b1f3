"""The lab: real servers for the demo, the tests and the benchmarks.

Nothing is mocked: Docker Engine, MySQL, MariaDB, SeaweedFS (S3), Prometheus, Alertmanager and
Pushgateway run here, each started when it is first asked for and gone when the run ends.

In a test, take the session fixture ``lab``; it is one lab for all pytest-xdist workers::

    @pytest.mark.lab
    def test_something(lab: Lab) -> None:
        bucket = lab.s3.new_bucket()                  # .endpoint .access_key .secret_key .region
        lab.mysql.sql("CREATE DATABASE mine")         # the shared server: own databases only
        with lab.run_mariadb() as database:           # a server of your own, ready, removed after
            assert database.value("SELECT 1") == "1"
            pymysql_like(database.host_ip, database.port, "root", database.root_password)
        volume = lab.new_volume()
        lab.volume_path(volume)                       # its files as the host sees them
        with lab.run_app("sleep", "60", volumes={volume: "/data"}) as app:
            app.sh('echo "$WORD" > /data/file', WORD="hello")
        with lab.run_bare() as bare:                  # stock Debian: gpg zstd tar awscli mariadb
            bare.sh("aws s3 ls", **lab.s3.environment())
        lab.docker("ps")                              # the client of the lab's own engine
        lab.docker_host                               # for DOCKER_HOST or docker.DockerClient
        lab.labels                                    # for what you create with an SDK
        lab.prometheus_url, lab.alertmanager_url, lab.pushgateway_url
        lab.monitoring.rules, lab.monitoring.reload() # drop rule files there, then reload

Elsewhere: ``with Lab.start() as lab: ...``; it also ends when the process dies by any means.

* Shared servers are ``lab.mysql`` and ``lab.mariadb``; stop, break or reconfigure only servers of
  your own (``run_mysql``, ``run_mariadb``, ``run_database``; options: ``arguments`` for the
  server, ``options`` for docker run, ``volume`` and ``root_password`` to serve a filled volume).
* A second site is ``lab.run_s3("name")``, a grown store ``lab.run_s3_cluster("name")``. For fault
  tests ``lab.server_process("name").signal(SIGKILL)`` (or SIGSTOP, SIGCONT) hits a server and
  ``lab.restart_s3(server, "name")`` brings it back with its objects. Leave ``lab.s3`` alone.
* ``lab.new_network("name")`` makes a Docker network, ``lab.restic`` is the path of restic.
* Containers reach each other and the host reaches them by ``host_ip``. They do not reach the
  host's loopback (the S3 server) unless run with ``options=["--network=host"]``.
* Images (``tests.lab.images``): ``MYSQL``, ``MARIADB``, ``APP``, ``BARE``, ``DEBIAN``.
* Errors are ``LabError``; ``MissingParts`` says which command installs what is missing.

``python -m tests.lab prepare`` installs the packages and builds the images (root; minutes at the
first time, a second later on); ``up``, ``down`` and ``status`` serve a person. Everything is below
``/var/cache/mentat-dr-lab`` and ``/run/mentat-dr-lab``, or below ``MENTAT_DR_LAB_HOME``.
"""

from tests.lab.apps import AppContainer
from tests.lab.databases import DatabaseContainer
from tests.lab.errors import CommandFailed, LabError, MissingParts, NotReady
from tests.lab.lab import Lab
from tests.lab.monitoring import MonitoringServers
from tests.lab.object_store import ObjectStoreServer

__all__ = [
    "AppContainer",
    "CommandFailed",
    "DatabaseContainer",
    "Lab",
    "LabError",
    "MissingParts",
    "MonitoringServers",
    "NotReady",
    "ObjectStoreServer",
]
