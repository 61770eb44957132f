"""The one HTTP client of level 4: bounded in time and size, no redirects, proxies by rule. Only
loaded in the flush child.
"""

from __future__ import annotations

import ipaddress
import json
import time
from dataclasses import dataclass, field
from typing import AbstractSet, Any, Callable, Dict, List, Mapping, Optional
from urllib.parse import urlsplit

from ..errors import NotifyError
from ..files import json_bounded
from ..model import Text

CONNECT_S, READ_S, TOTAL_S = 5.0, 10.0, 15.0
BODY_LIMIT = 65536
# Reached directly even when a proxy is set in the environment: such proxies lead abroad. The proxy
# is the second try.
DOMESTIC = (".feishu.cn", ".dingtalk.com", ".weixin.qq.com", ".qq.com")
USER_AGENT = "openclaw-iflow-doctor (gateway alerts, 1.0)"


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Dict[str, Any]:
        """The body as an object; {} where it is none."""
        try:
            value = json_bounded(self.body.decode("utf-8", "replace"))
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def retry_after(self) -> Optional[float]:
        """Seconds the platform asks us to wait, from the header or the body; None where it does not
        say.
        """
        for value in (
            self.json.get("retry_after"),
            _lower(self.headers).get("retry-after"),
            _parameters(self.json).get("retry_after"),
        ):
            try:
                return min(3600.0, max(0.0, float(value)))  # type: ignore[arg-type]
            except (TypeError, ValueError):
                continue
        return None


def _parameters(body: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = body.get("parameters")
    return inner if isinstance(inner, Mapping) else {}


def _lower(headers: Mapping[str, str]) -> Dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}


class Unclear(NotifyError):
    """The request went out and no answer came back: it may have been accepted."""


Post = Callable[..., Answer]


def check(answer: Answer) -> None:
    """Raise for what HTTP itself says: 429 and 5xx pass, 3xx and other 4xx stay."""
    status = answer.status
    if status == 429:
        raise NotifyError(
            Text("HTTP 429, too many requests", "HTTP 429，请求过多"),
            retry_after=answer.retry_after or 5.0,
        )
    if status >= 500 or status == 408:
        raise NotifyError("HTTP {}".format(status), retry_after=answer.retry_after)
    if status >= 300:
        raise NotifyError("HTTP {}{}".format(status, said(answer)), permanent=True)


def said(answer: Answer) -> str:
    """What the platform's body says went wrong, short, for a person."""
    body = answer.json
    for key in ("errmsg", "msg", "message", "description", "error"):
        if isinstance(body.get(key), str) and body[key]:
            return ": " + str(body[key])[:160]
    return ""


def errcode(
    answer: Answer, name: str, permanent: AbstractSet[int], too_fast: AbstractSet[int], pause: float
) -> str:
    """For platforms whose body says errcode 0 for success: "" then, else raise. too_fast: the codes
    after which to wait `pause` seconds.
    """
    number = answer.json.get("errcode")
    if number == 0 and answer.status < 300:
        return ""
    if isinstance(number, int) and number != 0:
        raise NotifyError(
            Text.of("{} errcode {}{}", "{} 错误码 {}{}", name, number, said(answer)),
            permanent=number in permanent,
            retry_after=pause if number in too_fast else answer.retry_after,
        )
    check(answer)
    raise NotifyError(Text.of("{} did not confirm the message", "{} 没有确认收到消息", name))


def client(env: Mapping[str, str]) -> Post:
    """Return post(url, body, headers={}, proxy="") -> Answer. Raises NotifyError (nothing was sent)
    or Unclear.
    """
    import requests

    session = requests.Session()
    session.trust_env = False  # no ~/.netrc; proxies are chosen below
    session.verify = env.get("REQUESTS_CA_BUNDLE") or env.get("SSL_CERT_FILE") or True

    def once(url: str, raw: bytes, headers: Mapping[str, str], proxy: str) -> Answer:
        began = time.monotonic()
        try:
            with session.post(
                url,
                data=raw,
                headers=dict(headers),
                timeout=(CONNECT_S, READ_S),
                allow_redirects=False,
                stream=True,
                proxies={"http": proxy, "https": proxy} if proxy else {},
            ) as reply:
                body = b""
                for chunk in reply.iter_content(8192):
                    body += chunk
                    if len(body) > BODY_LIMIT or time.monotonic() - began > TOTAL_S:
                        break
                return Answer(reply.status_code, body, dict(reply.headers))
        except (
            requests.exceptions.ConnectTimeout,
            requests.exceptions.ProxyError,
            requests.exceptions.SSLError,
        ) as error:
            raise NotifyError(
                Text.of("cannot connect: {}", "无法连接：{}", type(error).__name__)
            ) from None
        except requests.exceptions.ConnectionError as error:
            if "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error):
                raise NotifyError(
                    Text(
                        "cannot connect: network or name service is down",
                        "无法连接：网络或域名解析不通",
                    )
                ) from None
            raise Unclear(
                Text("the connection broke before an answer came", "还没收到响应连接就断了")
            ) from None
        except requests.exceptions.Timeout:
            raise Unclear(
                Text.of("no answer within {:.0f} s", "{:.0f} 秒内没有响应", READ_S)
            ) from None
        except requests.exceptions.InvalidSchema:
            raise NotifyError(
                Text(
                    "this kind of proxy or address is not supported here (SOCKS needs PySocks)",
                    "此处不支持这种代理或地址（SOCKS 需要 PySocks）",
                ),
                permanent=True,
            ) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, UnicodeError):
            raise NotifyError(
                Text("the address is not a valid URL", "地址不是有效的 URL"), permanent=True
            ) from None
        except requests.exceptions.RequestException as error:
            raise Unclear(
                Text.of("no usable answer: {}", "没有可用的响应：{}", type(error).__name__)
            ) from None

    def post(
        url: str, body: Any, headers: Optional[Mapping[str, str]] = None, proxy: str = ""
    ) -> Answer:
        raw = (
            body
            if isinstance(body, bytes)
            else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        )
        sent = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": USER_AGENT,
            **(headers or {}),
        }
        routes = [proxy] if proxy else proxies_for(url, env)
        for number, route in enumerate(routes):
            try:
                return once(url, raw, sent, route)
            except Unclear:
                raise
            except NotifyError:
                if number == len(routes) - 1:
                    raise
        raise NotifyError(
            Text(
                "no usable network path (direct and proxy both failed)",
                "没有可用的网络线路（直连与代理均失败）",
            )
        )

    return post


def proxies_for(url: str, env: Mapping[str, str]) -> List[str]:
    """Proxies to try in order; "" is a direct connection. Standard variables, NO_PROXY, loopback
    and domestic hosts direct.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    names = (parts.scheme + "_proxy", "all_proxy")
    proxy = next(
        (env[n] for name in names for n in (name, name.upper()) if env.get(n)), ""
    ) or env.get("OPENCLAW_PROXY_URL", "")
    if not proxy or _direct(host, env.get("no_proxy") or env.get("NO_PROXY") or ""):
        return [""]
    return ["", proxy] if any(("." + host).endswith(domain) for domain in DOMESTIC) else [proxy]


def _direct(host: str, listed: str) -> bool:
    if host == "localhost" or host.startswith("127.") or host == "::1":
        return True
    for entry in (item.strip().lower() for item in listed.split(",")):
        entry = entry.rsplit(":", 1)[0] if entry.count(":") == 1 else entry
        if entry == "*" or (entry and ("." + host).endswith("." + entry.lstrip("*").lstrip("."))):
            return True
        if "/" in entry:
            try:
                if ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                continue
    return False
