/** Whether something of this probability happens now; what is certain costs no random number. */
export function happens(probability: number, random: () => number): boolean {
  return probability >= 1 || (probability > 0 && random() < probability);
}
