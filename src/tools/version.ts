/** Semantic versions (semver.org, 2.0.0), as far as tools need them: told apart and put in order. */
const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*))*))?$/;

/** Whether `text` is a semantic version. Build metadata (`+…`) is refused: it has no place in the order. */
export function isVersion(text: string): boolean {
  return SEMVER.test(text);
}

/** Below zero when `a` comes before `b`, zero when they are equal, above zero when it comes after; both are versions. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [SEMVER.exec(a) ?? [], SEMVER.exec(b) ?? []];
  for (const part of [1, 2, 3]) {
    const difference = compareNumbers(left[part] ?? '', right[part] ?? '');
    if (difference !== 0) return difference;
  }
  return comparePreReleases(left[4], right[4]);
}

/** A version without a pre-release comes after those with one; else field by field, and the shorter first. */
function comparePreReleases(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  const [left, right] = [a.split('.'), b.split('.')];
  for (const [index, field] of left.entries()) {
    const other = right[index];
    if (other === undefined) return 1;
    const difference = compareFields(field, other);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Numbers before words, numbers by size, words by character codes. */
function compareFields(a: string, b: string): number {
  const [isNumber, isOtherNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1;
  if (isNumber) return compareNumbers(a, b);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Digits without leading zeros: the longer is the larger. */
function compareNumbers(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}
