# The entry point of the lab's MariaDB and MySQL images, in the manner of the official ones:
# an empty data directory is initialised and gets its root password from MYSQL_ROOT_PASSWORD or
# MARIADB_ROOT_PASSWORD (or the file that ..._FILE names); a filled one is served as it is.
set -euo pipefail

datadir=/var/lib/mysql

value_of() { # the value of the first of the named variables, or of the file its _FILE twin names
    local name file
    for name in "$@"; do
        file="${name}_FILE"
        if [ -n "${!name:-}" ]; then printf '%s' "${!name}"; return; fi
        if [ -n "${!file:-}" ]; then cat "${!file}"; return; fi
    done
}

quoted() { # an SQL string literal
    local text="${1//\\/\\\\}"
    printf "'%s'" "${text//\'/\'\'}"
}

write_first_statements() {
    local password database user secret
    password="$(value_of MARIADB_ROOT_PASSWORD MYSQL_ROOT_PASSWORD)"
    if [ -z "$password" ] && [ -z "${MYSQL_ALLOW_EMPTY_PASSWORD:-}${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-}" ]; then
        echo "the data directory is empty and no root password is given: set MYSQL_ROOT_PASSWORD" >&2
        exit 1
    fi
    database="$(value_of MARIADB_DATABASE MYSQL_DATABASE)"
    user="$(value_of MARIADB_USER MYSQL_USER)"
    secret="$(value_of MARIADB_PASSWORD MYSQL_PASSWORD)"
    # Set-up is no part of the history that a backup ships.
    echo "SET SESSION sql_log_bin = 0;"
    echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $(quoted "$password");"
    echo "CREATE USER 'root'@'%' IDENTIFIED BY $(quoted "$password");"
    echo "GRANT ALL PRIVILEGES ON *.* TO 'root'@'%' WITH GRANT OPTION;"
    if [ -n "$database" ]; then echo "CREATE DATABASE \`$database\`;"; fi
    if [ -n "$user" ]; then
        echo "CREATE USER '$user'@'%' IDENTIFIED BY $(quoted "$secret");"
        if [ -n "$database" ]; then echo "GRANT ALL PRIVILEGES ON \`$database\`.* TO '$user'@'%';"; fi
    fi
}

# Options alone mean the server; anything else is run as it stands (a shell, a dump tool).
if [ $# -eq 0 ] || [ "${1#-}" != "$1" ]; then set -- "$LAB_SERVER" "$@"; fi
case "$1" in mariadbd | mysqld) ;; *) exec "$@" ;; esac
server="$1"
shift

extra=()
if [ -z "$(ls -A "$datadir")" ]; then
    first="$(write_first_statements)"
    cp -a --sparse=always /usr/share/lab-template/. "$datadir/"
    (umask 077 && printf '%s\n' "$first" > /run/mysqld/first.sql)
    chown mysql:mysql /run/mysqld/first.sql
    extra=(--init-file=/run/mysqld/first.sql)
fi
find "$datadir" \! -user mysql -exec chown mysql:mysql {} +
# Two servers of one image must differ here; a restarted container must not.
id=$(($(hostname | cksum | cut -d' ' -f1) % 4294967294 + 1))
exec "$server" --user=mysql --datadir="$datadir" --server-id="$id" "${extra[@]}" "$@"
