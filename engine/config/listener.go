package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/penstock/penstock/engine/diag"
)

// ListenAddress is the host:port of an entry of listeners, such as http://127.0.0.1:8083; the host is empty where the
// entry names none, which means every address of the machine.
func ListenAddress(listener string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(listener))
	switch {
	case err != nil || u.Host == "" || u.Port() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil:
		return "", fmt.Errorf("a listener is written as http://HOST:PORT, not %q", listener)
	case strings.EqualFold(u.Scheme, "https"):
		return "", errHTTPS
	case !strings.EqualFold(u.Scheme, "http"):
		return "", fmt.Errorf("a listener is written as http://HOST:PORT, and %q begins with %q", listener, u.Scheme)
	}
	if n, err := strconv.Atoi(u.Port()); err != nil || n > 65535 {
		return "", fmt.Errorf("the port of %q must be from 0 to 65535", listener)
	}
	return net.JoinHostPort(u.Hostname(), u.Port()), nil
}

var errHTTPS = errors.New("this version serves REST over http only")

// listeners checks where the REST API is served.
func (c *checker) listeners() {
	for _, key := range []string{"listeners", "admin.listeners"} {
		for _, l := range List(c.Map[key]) {
			switch _, err := ListenAddress(l); {
			case errors.Is(err, errHTTPS):
				c.fail(diag.NotAvailable, key, "%s: %q is not available: %s. Put a proxy that ends TLS in front of it.", c.Spelling(key), l, err)
			case err != nil:
				c.fail(diag.InvalidValue, key, "%s: %s.", c.Spelling(key), err)
			}
		}
	}
}

// BasicAuthFile is the setting that names the users of the REST API.
const BasicAuthFile = "rest.basic.auth.file"

// extensions checks rest.extension.classes, of which one is built in: a login. Kafka Connect finds the file of users in the
// JAAS configuration of its JVM; here a setting names it.
func (c *checker) extensions() {
	const key = "rest.extension.classes"
	for _, class := range List(c.Map[key]) {
		switch {
		case simpleName(class) != "BasicAuthSecurityRestExtension":
			c.fail(diag.NotAvailable, key, "%s: %q is not available; the extension of this program is BasicAuthSecurityRestExtension.", c.Spelling(key), class)
		case !c.set(BasicAuthFile):
			c.fail(diag.MissingProperty, key, "%s asks callers to log in, and nothing says who may. Write %s, with the properties file that the JAAS entry KafkaConnect names as file: a line user=password for each.",
				c.Spelling(key), c.write("", BasicAuthFile, "…"))
		}
	}
}
