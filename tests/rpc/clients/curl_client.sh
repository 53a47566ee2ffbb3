#!/bin/sh
# curl_client.sh BASE_URL TOKEN - an application that uses nothing but curl.
set -eu
base=$1 token=$2

# call VERB PATH [BODY] - prints the status and the body.
call() {
  verb=$1 path=$2
  shift 2
  curl --silent --show-error --max-time 60 --request "$verb" --header "Authorization: Bearer $token" \
    --write-out '\n%{http_code}' ${1+--data "$1"} "$base$path" | awk '{ lines[NR] = $0 }
      END { printf "%s", lines[NR]; for (i = 1; i < NR; ++i) printf " %s", lines[i]; print "" }'
}

# expect PATTERN ANSWER
expect() {
  case $2 in
    $1) ;;
    *) echo "expected $1, got: $2" >&2; exit 1 ;;
  esac
}

expect '200 {"status":"serving"}' "$(call GET /healthz)"
expect '200 *' "$(call POST /v1/collections '{"name":"curl","dim":2,"metric":"cosine"}')"
expect '200 *"count":2*' "$(call POST /v1/collections/curl/records:upsert \
  '{"records":[{"id":"a","vector":[1,0],"payload":{"lang":"en"}},{"id":"b","vector":[0,1]}]}')"
expect '200 {"hits":[[]{"id":"a","score":1,"payload":{"lang":"en"}}*"metric":"cosine","higher_is_better":true*' \
  "$(call POST /v1/collections/curl/search '{"vector":[2,0],"limit":1}')"
expect '200 {"count":1}' "$(call POST /v1/collections/curl/records:count "{\"filter\":\"lang = 'en'\"}")"
expect '400 {"error":{"code":"INVALID_ARGUMENT"*"field":"limit"*' \
  "$(call POST /v1/collections/curl/search '{"vector":[2,0],"limit":0}')"
expect '200 {"values":[[]{"measure":"ndcg_cut_10","query":"all","value":1,"n_used":1,"n_total":1},*' \
  "$(call POST /v1/evaluations:score '{"judgments":[{"query":"q","docs":[{"id":"a","relevance":1}]}],
    "run":[{"query":"q","docs":[{"id":"a","score":0.5}]}],"measures":["ndcg@10"]}')"
job=$(call POST /v1/collections/curl/evaluations:run '{"queries":[{"id":"q","vector":[2,0]}],
  "judgments":[{"query":"q","docs":[{"id":"a","relevance":1}]}]}' | sed -n 's/^200 {"job":"\([0-9a-f]*\)".*/\1/p')
while call GET "/v1/evaluations/$job" | grep -qE '"state":"(waiting|running)"'; do sleep 0.1; done
expect '200 *"state":"done"*' "$(call GET "/v1/evaluations/$job")"
expect '200 *"ndcg_cut_10":{"value":1.0*' "$(call POST "/v1/evaluations/$job:report")"
expect '404 {"error":{"code":"NOT_FOUND"*' "$(call GET /v1/collections/none)"
expect '200 *leadline_calls_total*' "$(call GET /metrics)"
# A body too large for one packet, which curl asks permission for.
records=$(awk 'BEGIN { for (i = 0; i < 20000; ++i) printf "%s{\"id\":\"r%d\",\"vector\":[1,%d]}", i ? "," : "", i, i }')
expect '200 *"count":20000*' "$(printf '{"records":[%s]}' "$records" | curl --silent --max-time 60 \
  --header "Authorization: Bearer $token" --data-binary @- --write-out '\n200' \
  "$base/v1/collections/curl/records:upsert" | awk '{ line[NR] = $0 } END { print line[2], line[1] }')"
expect '200 *' "$(call DELETE /v1/collections/curl)"
token=wrong
expect '401 {"error":{"code":"UNAUTHENTICATED"*' "$(call GET /v1/collections)"
echo "curl: done"
