"""Which browser it says it is, for a person to recognise her own by; anybody can say anything."""

_BROWSERS = (  # the first that matches: most of them say the names of others too
    ("Edge", "Edg/"),
    ("360", "360SE"),
    ("QQ", "QQBrowser/"),
    ("Firefox", "Firefox/"),
    ("Chrome", "Chrome/"),
    ("Safari", "Safari/"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iOS", "iPhone"),
    ("iOS", "iPad"),
    ("HarmonyOS", "HarmonyOS"),
    ("macOS", "Mac OS"),
    ("Linux", "Linux"),
)


def named(user_agent: str) -> str:
    """`Chrome · Windows`; empty when neither is known."""
    browser = next((name for name, sign in _BROWSERS if sign in user_agent), "")
    system = next((name for name, sign in _SYSTEMS if sign in user_agent), "")
    return " · ".join(filter(None, (browser, system)))
