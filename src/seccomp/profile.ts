import { callsOf, type Processor, type TierName } from './tiers.ts';

/** The member `linux.seccomp` of a container's configuration (OCI runtime specification, "config-linux.md"). */
export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO';
  /** EPERM: what a program is told of a call that is not let through. */
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly syscalls?: readonly SeccompRule[];
}

interface SeccompRule {
  readonly names: readonly string[];
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO';
  readonly errnoRet?: number;
  readonly args?: readonly {
    readonly index: number;
    readonly value: number;
    readonly valueTwo?: number;
    readonly op: 'SCMP_CMP_NE' | 'SCMP_CMP_MASKED_EQ';
  }[];
}

const eperm = 1;
const enosys = 38;

/** AF_VSOCK (linux/socket.h): a way to the host of a virtual machine that no packet filter sees. */
const familyVsock = 40;

/** Flags of clone(2) that make a namespace, CLONE_NEWNS to CLONE_NEWNET (linux/sched.h). */
const newNamespaces = 0x7e02_0000;

/**
 * The profile of a tier for `--security-opt seccomp=FILE` of nerdctl and podman, `--seccomp-profile` of ctr, and a
 * `localhostProfile` of Kubernetes.
 *
 * `clone` makes no namespaces, and `clone3` does not exist, since a filter cannot read its flags in memory: C
 * libraries then use `clone`. `socket` opens no vsock.
 */
export function seccompProfile(tier: TierName, processor: Processor): SeccompProfile {
  const calls = callsOf(tier, processor);
  if (calls === undefined) return { defaultAction: 'SCMP_ACT_ALLOW' };
  const judged = ['clone', 'clone3', 'socket'];
  const rules: SeccompRule[] = [
    { names: calls.filter((name) => !judged.includes(name)), action: 'SCMP_ACT_ALLOW' },
    {
      names: ['clone'],
      action: 'SCMP_ACT_ALLOW',
      args: [{ index: 0, value: newNamespaces, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
    },
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: enosys },
    { names: ['socket'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: familyVsock, op: 'SCMP_CMP_NE' }] },
  ];
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: eperm,
    architectures: [processor === 'x86_64' ? 'SCMP_ARCH_X86_64' : 'SCMP_ARCH_AARCH64'],
    syscalls: rules.filter(({ names }) => names.every((name) => calls.includes(name))),
  };
}

/** What a guest's init reads from the config drive, `seccomp.json`, and applies by prctl(PR_SET_SECCOMP). */
export interface GuestManifest {
  readonly tier: TierName;
  /** What becomes of a call that is not listed: it fails with EPERM. */
  readonly action: 'errno';
  /** Absent where nothing is refused. */
  readonly allowed_syscalls?: readonly string[];
}

/** The manifest of a tier for the init of a virtual machine's guest. */
export function guestManifest(tier: TierName, processor: Processor): GuestManifest {
  const calls = callsOf(tier, processor);
  return { tier, action: 'errno', ...(calls === undefined ? {} : { allowed_syscalls: calls }) };
}
