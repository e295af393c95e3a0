"""The keywords of ssh_config, as OpenSSH 9.2 has them (readconf.c).

Of those that are not used here only this is checked: that they are known, that a switch is on or
off, and a number a number. What they say has no part in who is reached how.
"""


def _named(text: str) -> frozenset[str]:
    return frozenset(text.split())


FLAGS = _named(
    """batchmode canonicalizefallbacklocal challengeresponseauthentication checkhostip
    clearallforwardings compression dsaauthentication enableescapecommandline enablesshkeysign
    exitonforwardfailure forkafterauthentication forwardx11 forwardx11trusted gatewayports
    gssapiauthentication gssapidelegatecredentials gssapikeyexchange gssapirenewalforcesrekey
    gssapitrustdns hashknownhosts hostbasedauthentication identitiesonly
    kbdinteractiveauthentication keepalive nohostauthenticationforlocalhost passwordauthentication
    permitlocalcommand proxyusefdpass skeyauthentication stdinnull streamlocalbindunlink
    tcpkeepalive tisauthentication visualhostkey"""
)
"""yes, true, no or false."""

WORDS = _named(
    """bindaddress bindinterface certificatefile controlpath forwardagent gssapiclientidentity
    gssapiserveridentity hostkeyalias hostname identityagent identityfile identityfile2
    ignoreunknown kbdinteractivedevices pkcs11provider port preferredauthentications
    revokedhostkeys securitykeyprovider smartcarddevice user xauthlocation"""
)
"""One word that is not empty."""

LISTS = _named("globalknownhostsfile userknownhostsfile")
"""Files; `none` stands alone."""

NUMBERS = _named(
    """canonicalizemaxdots compressionlevel connectionattempts connecttimeout forwardx11timeout
    numberofpasswordprompts serveralivecountmax serveraliveinterval"""
)
"""A number, or a time as `1m30s`."""

OTHERS = _named(
    """addkeystoagent addressfamily afstokenpassing canonicaldomains canonicalizehostname
    canonicalizepermittedcnames casignaturealgorithms cipher ciphers
    controlmaster controlpersist dynamicforward
    escapechar fallbacktorsh fingerprinthash globalknownhostsfile2
    gssapikexalgorithms host hostbasedacceptedalgorithms hostbasedkeytypes hostkeyalgorithms
    include ipqos kerberosauthentication kerberostgtpassing kexalgorithms knownhostscommand
    localcommand localforward loglevel logverbose macs match permitremoteopen protocol
    proxycommand proxyjump pubkeyacceptedalgorithms pubkeyacceptedkeytypes pubkeyauthentication
    rekeylimit remotecommand remoteforward requesttty
    requiredrsasize rhostsauthentication rhostsrsaauthentication rsaauthentication sendenv
    sessiontype setenv streamlocalbindmask
    stricthostkeychecking syslogfacility tunnel tunneldevice updatehostkeys useprivilegedport
    userknownhostsfile2 useroaming usersh verifyhostkeydns"""
)
"""Anything but nothing."""

ALL = FLAGS | WORDS | LISTS | NUMBERS | OTHERS
