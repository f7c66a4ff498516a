#!/bin/bash
# Gives each service that reads or writes Elasticsearch an account that may do that and no more.
# Runs whenever the stack starts; doing it again changes nothing. Passwords never stand in arguments.
set -euo pipefail
secrets=${SECRETS:-/run/secrets/shopwatch}
server=${ELASTICSEARCH:-http://elasticsearch:9200}

post() {  # post PATH, the body on standard input
  local answer status
  answer=$(curl --silent --show-error --max-time 30 --netrc-file "$secrets/elastic_netrc" \
    --header 'Content-Type: application/json' --data-binary @- --write-out '\n%{http_code}' "$server/$1")
  status=${answer##*$'\n'}
  if [[ $status != 2* ]]; then
    echo "Elasticsearch answered $status to POST /$1: ${answer%$'\n'*}" >&2
    exit 1
  fi
}

account() {  # account NAME CLUSTER-PRIVILEGES INDICES INDEX-PRIVILEGES, lists as JSON
  printf '{"cluster": %s, "indices": [{"names": %s, "privileges": %s}]}' "$2" "$3" "$4" |
    post "_security/role/shopwatch_$1"
  printf '{"password": "%s", "roles": ["shopwatch_%s"]}' "$(<"$secrets/$1_password")" "$1" |
    post "_security/user/shopwatch_$1"
  echo "account shopwatch_$1"
}

write='["auto_configure", "create_doc", "create_index"]'
account collector '["monitor"]' '["logs-*"]' "$write"
account logstash '["monitor"]' '["logs-*"]' "$write"
account jaeger '["monitor", "manage_index_templates"]' '["jaeger-*"]' '["all"]'
account grafana '["monitor"]' '["logs-*", "jaeger-*"]' '["read", "view_index_metadata"]'

printf '{"password": "%s"}' "$(<"$secrets/kibana_system_password")" | post _security/user/kibana_system/_password
echo "account kibana_system"
