"""Small pictures, because they are published with the pack: `python scripts/published_pictures.py` shrinks larger ones."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = ROOT / "workflows"
PAGES = ROOT / "nodes" / "web" / "docs"
HELP = PAGES / "images"
_CARD_SIDE, _HELP_WIDTH = 400, 500  # pixels; about what the template browser and the side panel show


def save_card(card: Image.Image, name: str, side: int = _CARD_SIDE, quality: int = 75) -> None:
    """A workflow's card in the template browser, which looks for JPEG."""
    small = card.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    small.save(WORKFLOWS / f"{name}.jpg", quality=quality, optimize=True)


def save_variants_card(card: Image.Image, name: str) -> None:
    """The card of one more workflow of its kind: a third of the bytes."""
    save_card(card, name, side=256, quality=60)


def save_help_picture(picture: Image.Image, kind: str) -> None:
    """The picture of a node's help page."""
    small = picture.convert("RGB")
    small.thumbnail((_HELP_WIDTH, small.height), Image.Resampling.LANCZOS)
    small.save(HELP / f"{kind}.webp", quality=42, method=6)


def main() -> None:
    for path in WORKFLOWS.glob("*.jpg"):
        with Image.open(path) as card:
            if card.width > _CARD_SIDE:
                save_card(card, path.stem)
    for path in HELP.glob("*.jpg"):
        with Image.open(path) as picture:
            save_help_picture(picture, path.stem)
        path.unlink()
        for page in PAGES.rglob("*.md"):
            text = page.read_text(encoding="utf-8")
            if f"images/{path.name}" in text:
                page.write_text(
                    text.replace(f"images/{path.name}", f"images/{path.stem}.webp"), encoding="utf-8"
                )


if __name__ == "__main__":
    main()
