"""The recovery kit: where it stands, and the script inside that installs it. Pure.

Key layout (repository format 1):
    kit/<host>/<UTC>-<fingerprint>/kit.tar.zst.gpg    what a bare machine needs, encrypted
    kit/<host>/<UTC>-<fingerprint>/SHA256SUMS         of the stored kit; written last but one
    kit/<host>/<UTC>-<fingerprint>/SHA256SUMS.sig     by the host's own signing key
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.core.snapshot import NAME, format_utc, parse_utc

KIT = "kit"
ARCHIVE = "kit.tar.zst.gpg"
SUMS = "SHA256SUMS"
SUMS_SIGNATURE = "SHA256SUMS.sig"
_FOLDER = re.compile(r"(\d{8}T\d{6}Z)-([0-9a-f]{16})\Z")


@dataclass(frozen=True, slots=True, order=True)
class KitId:
    """Which kit. fingerprint: 16 hex digits over all that went into it."""

    host: str
    at: datetime
    fingerprint: str

    @property
    def prefix(self) -> str:
        return f"{KIT}/{self.host}/{format_utc(self.at)}-{self.fingerprint}/"

    def artifact_key(self, name: str) -> str:
        return self.prefix + name


def newest_kits(keys: Iterable[str]) -> dict[str, KitId]:
    """Host -> its newest kit that is whole (its signature stands), from a listing of keys."""
    found: dict[str, KitId] = {}
    for key in keys:
        parts = key.split("/")
        if len(parts) != 4 or parts[0] != KIT or parts[3] != SUMS_SIGNATURE:
            continue
        match = _FOLDER.match(parts[2])
        if not match or not NAME.match(parts[1]):
            continue
        try:
            kit = KitId(parts[1], parse_utc(match[1]), match[2])
        except ValueError:
            continue
        found[kit.host] = max(kit, found.get(kit.host, kit))
    return found


def install_script(version: tuple[int, int], state: str, config: str, library: str) -> str:
    """`install.sh`: unpacks the wheels apart from the system's Python, puts the configuration and
    the public keys in their places. It needs no network and no pip."""
    python = f"{version[0]}.{version[1]}"
    return f"""#!/bin/sh
# Installs mentat-dr from this kit. Run as root, from anywhere: sh kit/install.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
library=${{MENTAT_DR_LIBRARY:-{library}}}
config=${{MENTAT_DR_CONFIG:-{config}}}
state=${{MENTAT_DR_STATE:-{state}}}
python=""
for candidate in python{python} python3; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != {version})' 2>/dev/null; then
    python=$(command -v "$candidate"); break
  fi
done
if [ -z "$python" ]; then
  echo "this kit needs Python {python} (Debian and Ubuntu: apt-get install python{python})." >&2
  echo "With another one: pip install --find-links $here/wheels mentat-dr" >&2
  exit 1
fi
"$python" -m venv --without-pip "$library"
"$library/bin/python" - "$here/wheels" <<'UNPACK'
import pathlib, sys, sysconfig, zipfile
for wheel in sorted(pathlib.Path(sys.argv[1]).glob("*.whl")):
    zipfile.ZipFile(wheel).extractall(sysconfig.get_paths()["purelib"])
UNPACK
mkdir -p "$(dirname "${{MENTAT_DR_PROGRAM:-/usr/local/bin/mentat-dr}}")"
cat > "${{MENTAT_DR_PROGRAM:-/usr/local/bin/mentat-dr}}" <<PROGRAM
#!/bin/sh
exec "$library/bin/python" -m engine.cli.main "\\$@"
PROGRAM
chmod 755 "${{MENTAT_DR_PROGRAM:-/usr/local/bin/mentat-dr}}"
mkdir -p -m 700 "$state" "$state/gnupg" "$(dirname "$config")"
if [ ! -e "$config" ]; then
  (umask 077 && cp "$here/config.toml" "$config")
fi
for key in "$here"/keys/*.asc; do
  gpg --homedir "$state/gnupg" --batch --quiet --import "$key"
done
if ls "$here"/runbooks/*.toml >/dev/null 2>&1; then
  mkdir -p /etc/mentat-dr/runbooks && cp "$here"/runbooks/*.toml /etc/mentat-dr/runbooks/
fi
echo "mentat-dr $("${{MENTAT_DR_PROGRAM:-/usr/local/bin/mentat-dr}}" --version) is installed."
echo "Configuration: $config (secrets: see its comments). Next: mentat-dr doctor"
"""


def steps(
    kit: KitId, fetch: str, packages: Sequence[str], state: str, credentials: Sequence[str]
) -> str:
    """The commands that make a bare machine the host again, at most six. fetch: a shell command
    that writes the object with the key `$1` to stdout."""
    exports = " ".join(credentials)
    noted = f"First `export {exports}`.\n\n" if credentials else ""
    return f"""{noted}```sh rebuild {kit.host}
apt-get update && apt-get install -y --no-install-recommends {" ".join(packages)}
mkdir -p -m 700 {state}/gnupg && export GNUPGHOME={state}/gnupg && gpg --batch --import \\
  "${{KEYS:-.}}"/*.asc
for name in {ARCHIVE} {SUMS} {SUMS_SIGNATURE}; do {fetch.replace("$1", kit.prefix + "$name")} \\
  > "$name" || exit 1; done
gpg --batch --verify {SUMS_SIGNATURE} {SUMS} && sha256sum -c {SUMS} && gpg \\
  ${{PASSPHRASE_FILE:+--batch --pinentry-mode loopback --passphrase-file "$PASSPHRASE_FILE"}} \\
  --yes --output kit.tar.zst --decrypt {ARCHIVE} && tar --zstd -xf kit.tar.zst
sh kit/install.sh
mentat-dr restore --host {kit.host} \\
  ${{PASSPHRASE_FILE:+--passphrase-file "$PASSPHRASE_FILE" --confirm {kit.host}}}
```
"""
