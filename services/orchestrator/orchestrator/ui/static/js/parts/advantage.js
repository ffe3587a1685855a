// Colour of an advantage: its sign chooses the hue, its size the strength. Advantages are standardised, so that a fixed
// scale serves every batch.

export const FULL_STRENGTH = 2;

/** Sets the classes and the strength that the style sheet turns into a tint; null is no colour. */
export function paint(element, advantage) {
  element.classList.toggle("plus", advantage > 0);
  element.classList.toggle("minus", advantage < 0);
  const strength = advantage ? Math.min(1, Math.abs(advantage) / FULL_STRENGTH) ** 0.6 : 0;
  element.style.setProperty("--strength", strength.toFixed(3));
}
