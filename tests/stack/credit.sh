#!/bin/bash
# The credit score example's feature store, in a MariaDB that is already there.
#
#   credit.sh seed PORT     tables and the 5,000 rows, checked against their known checksums
#   credit.sh reset PORT    empties what the pipelines and the service wrote; the seed stays
#   credit.sh check PORT    the checksums only
#   credit.sh count PORT    the training sets: base_dt and number of rows, one a line
#
# MARIADB_HOST (127.0.0.1), MARIADB_USER (root) and MARIADB_PWD (root) say where and who.
. "$(dirname "$0")/lib.sh"

sql() {
  MYSQL_PWD=${MARIADB_PWD:-root} mariadb --no-defaults --default-character-set=utf8mb4 \
    -h"${MARIADB_HOST:-127.0.0.1}" -P"$port" -u"${MARIADB_USER:-root}" "$@"
}

known='mlops.customer_info 3769511132
mlops.credit_score 3820018950
mlops.credit_score_features 611567115'

check() {
  local found
  found=$(sql -NBe 'CHECKSUM TABLE mlops.customer_info, mlops.credit_score, mlops.credit_score_features' | tr '\t' ' ')
  [ "$found" = "$known" ] || die "the seed is not what it should be; found:"$'\n'"$found"
}

[ $# = 2 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
port=$2
case $1 in
  seed)
    sql <"$CREDIT_DIR/sql/schema.sql"
    sql <"$CREDIT_DIR/sql/seed.sql"
    check
    ;;
  reset) sql -e 'TRUNCATE mlops.credit_score_features_target; TRUNCATE mlops.credit_predictions_api_log' ;;
  check) check ;;
  count) sql -NBe 'SELECT base_dt, COUNT(*) FROM mlops.credit_score_features_target GROUP BY base_dt ORDER BY base_dt' ;;
  *) die "unknown command $1" ;;
esac
