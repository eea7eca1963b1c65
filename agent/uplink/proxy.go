package uplink

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

// maxProxyAnswer bounds the head of a proxy's answer, maxSecret a credentials
// file.
const (
	maxProxyAnswer = 8 << 10
	maxSecret      = 4 << 10
)

// What can be wrong with a proxy.
var (
	errProxySettings    = errors.New("proxy settings")
	errProxyCredentials = errors.New("proxy wants credentials; hint: gateway.proxy_credentials_file")
	errProxyAnswer      = errors.New("proxy did not open a tunnel")
)

// CheckProxy reports what is wrong with a proxy's address as it stands in the
// settings. "" is none, and right.
func CheckProxy(address string) error {
	if address == "" {
		return nil
	}
	_, err := proxyHost(address)
	return err
}

// proxyHost returns host:port of a proxy URL.
func proxyHost(address string) (string, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return "", fmt.Errorf("%w: not a URL; hint: gateway.proxy: http://host:port", errProxySettings)
	case u.Scheme != "http":
		return "", fmt.Errorf("%w: scheme %.10q; hint: only http:// proxies are supported; the tunnel through them is encrypted end to end", errProxySettings, u.Scheme)
	case u.User != nil:
		return "", fmt.Errorf("%w: credentials in the URL; hint: gateway.proxy_credentials_file", errProxySettings)
	case u.Port() == "":
		return "", fmt.Errorf("%w: no port; hint: gateway.proxy: http://host:port", errProxySettings)
	}
	return u.Host, nil
}

// proxyCredentials reads "user:password" from a file that others cannot read.
func proxyCredentials(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errProxySettings, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("%w: %w", errProxySettings, err)
	}
	if !info.Mode().IsRegular() || openToOthers(info) {
		return "", fmt.Errorf("%w: %s is open to others; hint: chmod 600", errProxySettings, file)
	}
	buf := make([]byte, maxSecret)
	n, err := f.Read(buf)
	if err != nil {
		return "", fmt.Errorf("%w: read %s: %w", errProxySettings, file, err)
	}
	line := strings.TrimRight(string(buf[:n]), "\r\n")
	if !strings.Contains(line, ":") || strings.ContainsAny(line, "\r\n") || n == maxSecret {
		return "", fmt.Errorf("%w: %s; hint: one line, user:password", errProxySettings, file)
	}
	return line, nil
}

// tunnel opens a connection to the gateway through the proxy with CONNECT (RFC
// 9110 9.3.6). The proxy resolves the gateway's name and sees no more than that.
func (o Options) tunnel(ctx context.Context) (net.Conn, error) {
	host, err := proxyHost(o.Proxy)
	if err != nil {
		return nil, err
	}
	secret, err := proxyCredentials(o.ProxyCredentialsFile)
	if err != nil {
		return nil, err
	}
	conn, err := o.Dialer(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("dial proxy: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	err = knock(conn, o.Address, secret)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// knock asks for a tunnel and reads the answer.
func knock(conn net.Conn, address, secret string) error {
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if secret != "" {
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(secret)) + "\r\n"
	}
	if _, err := conn.Write([]byte(request + "\r\n")); err != nil {
		return fmt.Errorf("%w: %w", errProxyAnswer, err)
	}
	head, err := readHead(conn)
	if err != nil {
		return fmt.Errorf("%w: %w", errProxyAnswer, err)
	}
	return tunnelAnswer(head)
}

// readHead reads up to the empty line that ends a head. It reads byte by byte,
// so that nothing of the tunnel is taken; that happens once a connection.
func readHead(conn net.Conn) ([]byte, error) {
	head := make([]byte, 0, 512)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if len(head) == maxProxyAnswer {
			return nil, errors.New("answer too long")
		}
		head = append(head, 0)
		if n, err := conn.Read(head[len(head)-1:]); n == 0 {
			head = head[:len(head)-1]
			if err != nil {
				return nil, err
			}
		}
	}
	return head, nil
}

// tunnelAnswer judges the status line of a proxy's answer.
func tunnelAnswer(head []byte) error {
	line, _, _ := strings.Cut(string(head), "\r\n")
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(rest, " ")
	switch {
	case !strings.HasPrefix(version, "HTTP/1.") || len(code) != 3:
		return fmt.Errorf("%w: not an HTTP answer", errProxyAnswer)
	case code == "407":
		return errProxyCredentials
	case code[0] != '2':
		return fmt.Errorf("%w: status %.3q", errProxyAnswer, code)
	}
	return nil
}
