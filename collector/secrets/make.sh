#!/bin/sh
# Makes the stack's passwords and keys: random ones, once, each readable only by who uses it.
#
#   make.sh               every secret that is not there yet
#   make.sh NAME <FILE    replace a pager's key by a real one, such as pagerduty_routing_key
#
# Runs in busybox as root without any capability but CHOWN. Also copies busybox itself, a static binary,
# to where health checks find it: several images hold no shell and no client of their own.
set -eu
umask 077
secrets=${SECRETS:-/secrets} tools=${TOOLS:-/tools}

# The users of the images, and the group of the one service that gives the accounts their passwords.
elastic=1000 jaeger=10001 collector=10001 grafana=472 engine=10100 accounts=10200

random() {  # a letter first, so that no parser takes it for a number
  printf 's%s' "$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' | cut -c "1-$1")"
}

put() {  # put NAME OWNER[:GROUP] MODE, the value on standard input; appears whole or not at all
  cat >"$secrets/.$1"
  chmod "$3" "$secrets/.$1"
  chown "$2" "$secrets/.$1"
  mv -f "$secrets/.$1" "$secrets/$1"
}

owner() {
  case $1 in
    pagerduty_routing_key | opsgenie_api_key) echo "$engine" ;;
    *) echo "make.sh: $1 cannot be replaced; choose pagerduty_routing_key or opsgenie_api_key" >&2; exit 2 ;;
  esac
}

chmod 755 "$secrets" "$tools"
cp "${BUSYBOX:-/bin/busybox}" "$tools/.busybox"
chmod 755 "$tools/.busybox"
mv -f "$tools/.busybox" "$tools/busybox"  # over one that a health check may be running right now

if [ $# -gt 0 ]; then
  user=$(owner "$1")
  tr -d '\r\n' | put "$1" "$user" 400
  exit 0
fi
if [ -e "$secrets/.complete" ]; then exit 0; fi

password=$(random 32)
printf '%s' "$password" | put elastic_password "$elastic" 400
printf 'machine 127.0.0.1 login elastic password %s\nmachine elasticsearch login elastic password %s\n' \
  "$password" "$password" | put elastic_netrc "$elastic:$accounts" 440

password=$(random 32)
printf '%s' "$password" | put kibana_system_password "$accounts" 400
{
  printf 'elasticsearch.password: "%s"\n' "$password"
  for part in encryptedSavedObjects reporting security; do
    printf 'xpack.%s.encryptionKey: "%s"\n' "$part" "$(random 32)"
  done
} | put kibana.yml "$elastic" 400

random 32 | put logstash_password "$elastic:$accounts" 440
random 32 | put jaeger_password "$jaeger:$accounts" 440
random 32 | put collector_password "$collector:$accounts" 440
random 32 | put grafana_password "$grafana:$accounts" 440
random 32 | put grafana_admin_password "$grafana" 400

# For the sandbox, which takes any; PagerDuty's keys have 32 characters.
random 31 | put pagerduty_routing_key "$engine" 400
random 32 | put opsgenie_api_key "$engine" 400

random 32 | put shop_token_secret "$engine" 400

: >"$secrets/.complete"
