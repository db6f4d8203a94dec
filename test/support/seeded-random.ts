/** Tests draw from the same generator as explanations. */
export { seededRandom } from '../../proxy/common/seeded-random.ts';
