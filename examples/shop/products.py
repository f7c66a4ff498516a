"""What the shop sells: the rows that a new catalogue is filled with."""

from __future__ import annotations

from typing import Final

PRODUCTS: Final[tuple[tuple[str, str, int], ...]] = (
    ("kettle", "Enamel kettle, 1.7 litres", 4_900),
    ("teapot", "Stoneware teapot", 3_650),
    ("mug", "Mug, speckled glaze", 1_450),
    ("plate", "Dinner plate, 27 cm", 1_890),
    ("bowl", "Noodle bowl", 1_690),
    ("pan", "Cast-iron pan, 28 cm", 6_200),
    ("pot", "Stock pot, 8 litres", 7_400),
    ("knife", "Chef's knife, 20 cm", 8_900),
    ("board", "Oak chopping board", 3_200),
    ("apron", "Linen apron", 3_900),
    ("towel", "Tea towel, pair", 1_600),
    ("jar", "Storage jar, 1 litre", 1_250),
    ("mill", "Pepper mill, beech", 4_300),
    ("scale", "Kitchen scale, 5 kg", 3_990),
    ("grater", "Box grater", 2_150),
    ("whisk", "Balloon whisk", 1_350),
    ("ladle", "Steel ladle", 1_550),
    ("tray", "Baking tray", 1_990),
    ("tin", "Cake tin, 24 cm", 2_250),
    ("timer", "Wind-up timer", 1_790),
)
"""Name, title, price in cents."""
