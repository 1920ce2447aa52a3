/** The unit of the agent for an executable in this folder: conf/drawbridge-agent.service, which a test holds it to. */
export function unitText(binDir: string): string {
  return `# Keeps names right, puts rules back, applies policies as they change. A host without it keeps working: what needs
# no name stays enforced, and addresses of names expire.
#
#   cp conf/drawbridge-agent.service /etc/systemd/system/ && systemctl daemon-reload
#   systemctl enable --now drawbridge-agent

[Unit]
Description=Names, DNS and repair for container networks (drawbridge)
Documentation=man:drawbridge(8)
# Its first look finds the rules of these in place; it sees by itself when they, or Docker, write theirs anew.
After=network-pre.target network.target nftables.service iptables.service netfilter-persistent.service firewalld.service ufw.service
# Containers that start at boot find their names answered.
Before=containerd.service crio.service nomad.service kubelet.service
ReloadPropagatedFrom=nftables.service firewalld.service ufw.service docker.service
StartLimitIntervalSec=0

[Service]
Type=notify
# The program systemd-notify speaks for it.
NotifyAccess=all
# More options, in a file that "install" leaves alone: AGENT_OPTIONS=--flows-journal
EnvironmentFile=-/etc/drawbridge/agent.env
ExecStart=${binDir}/drawbridge agent --clean $AGENT_OPTIONS
# Looks at everything now.
ExecReload=/bin/kill -HUP $MAINPID
WatchdogSec=60
Restart=always
RestartSec=1
# Only the agent is told to stop: it still needs the programs that it runs.
KillMode=mixed
TimeoutStopSec=15
# A full host with 1,000 containers takes less than half of it. The process that answers DNS goes first, and comes again.
MemoryMax=1G
OOMPolicy=continue

ConfigurationDirectory=drawbridge drawbridge/policies
StateDirectory=drawbridge
# No RuntimeDirectory: the records of attachments are in /run/drawbridge and outlive the agent.

# Rules, routes and sysctls of the host, port 53 of gateways, the network namespaces of containers, and turns of first bytes.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_CHOWN CAP_SYS_NICE
NoNewPrivileges=yes
ProtectSystem=full
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictNamespaces=net
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0077

[Install]
WantedBy=multi-user.target
`;
}
