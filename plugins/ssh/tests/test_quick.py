import threading, time
from rota_ssh.command import Command
from rota_ssh.script import Script
def test_x(ctx, openssh, host, sshd):
    for f in (openssh, host):
        r = Command(**f, command="echo hi; echo err >&2; echo $0 $$ $A; pwd; cat; set", env={"A":"b c'\n x"}, stdin="input\n").run(ctx)
        print(r, ctx.log.lines)
        r = Command(**f, command="echo hi; [[ 1 == 1 ]] && echo $BASH_VERSION; cat; echo \"$@\"", shell="bash -o pipefail").run(ctx)
        print(r)
        r = Script(**f, code="#!/usr/bin/env python3\nimport sys\nprint(sys.argv, sys.stdin.read())", arguments=["a b", 3], stdin="zz").run(ctx)
        print(r)
        t = time.time()
        r = Command(**f, command="true").run(ctx)
        print(time.time()-t)
def test_cancel(ctx, openssh):
    def later():
        time.sleep(1); ctx.cancel()
    threading.Thread(target=later).start()
    t=time.time()
    try:
        Command(**openssh, command="sleep 1000 & sleep 1001; echo no").run(ctx)
    except Exception as e: print(repr(e), time.time()-t, ctx.outputs)
    print(ctx.log.lines)
    import subprocess; print(subprocess.run("ps -ef | grep 'sleep 100[01]'", shell=True, capture_output=True, text=True).stdout)
