export type Labels = Readonly<Record<string, string>>;

/** A LabelSelector of Kubernetes: all of it has to hold. One without requirements selects everything. */
export interface Selector {
  readonly requirements: readonly Requirement[];
}

/** What one label has to be. */
export interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

/** Whether labels are what a selector asks for. As in Kubernetes a missing label is "NotIn" every list. */
export function selects({ requirements }: Selector, labels: Labels): boolean {
  return requirements.every((requirement) => holds(requirement, labels));
}

function holds({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}
