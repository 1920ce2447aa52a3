# Sourced by every stage. A check prints one line that run.ts reads:
#   ok TITLE                 the value is the one that is expected
#   not ok TITLE | VALUE     it is not
#   fact NAME VALUE          what this kernel has

check() {
  if [ "$2" = "$3" ]; then echo "ok $1"; else echo "not ok $1 | $(echo "$3" | tr '\n' ' ' | cut -c1-600) | expected $2"; fi
}

fact() { echo "fact $*"; }
