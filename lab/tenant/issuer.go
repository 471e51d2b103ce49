package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// defaultLifetime of a minted token, where the request says none.
const defaultLifetime = time.Hour

// tokenRequest is the body of POST /token. Claims are laid over the defaults (iss, sub, iat, exp); null takes one away.
type tokenRequest struct {
	Claims map[string]any `json:"claims"`
	// Algorithm: RS256 (default), ES256, HS256 (keyed with the published RSA key, the classic confusion) or none.
	Algorithm string `json:"alg"`
	// KeyID goes into the header; where it is a known key, published or withdrawn, that key signs.
	KeyID string `json:"kid"`
	// ExpiresIn is "1h" by default; a negative one gives an expired token.
	ExpiresIn *duration `json:"expiresIn"`
	// Signature: good (default), bad (altered), missing, or foreign (by a key that was never published).
	Signature string `json:"signature"`
}

type tokenResponse struct {
	Token  string         `json:"token"`
	Header map[string]any `json:"header"`
	Claims map[string]any `json:"claims"`
}

type issuer struct {
	name  string
	keys  *keyring
	ready atomic.Bool
	now   func() time.Time
}

func (i *issuer) mint(r tokenRequest) (tokenResponse, error) {
	now := i.now()
	lifetime := defaultLifetime
	if r.ExpiresIn != nil {
		lifetime = time.Duration(*r.ExpiresIn)
	}
	claims := map[string]any{"iss": i.name, "sub": "tester", "iat": now.Unix(), "exp": now.Add(lifetime).Unix()}
	for name, value := range r.Claims {
		if value == nil {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
	token, header, err := i.keys.sign(claims, r.Algorithm, r.KeyID, r.Signature)
	return tokenResponse{Token: token, Header: header, Claims: claims}, err
}

func (i *issuer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", health(&i.ready))
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, http.StatusOK, i.keys.public())
	})
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		respond(w, http.StatusOK, map[string]any{"issuer": i.name, "jwks_uri": "http://" + r.Host + "/.well-known/jwks.json"})
	})
	mux.HandleFunc("POST /rotate", func(w http.ResponseWriter, r *http.Request) {
		var wanted struct {
			// Keep publishes the old keys beside the new ones, as an issuer does while old tokens live.
			Keep bool `json:"keep"`
		}
		if !readJSON(w, r, &wanted) {
			return
		}
		if err := i.keys.rotate(wanted.Keep); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		respond(w, http.StatusOK, i.keys.public())
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		var wanted tokenRequest
		if !readJSON(w, r, &wanted) {
			return
		}
		minted, err := i.mint(wanted)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		respond(w, http.StatusOK, minted)
	})
	// One identity provider serves all regions; here every region has a copy, made one by handing its keys on.
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		exported, err := i.keys.export()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		respond(w, http.StatusOK, exported)
	})
	mux.HandleFunc("PUT /keys", func(w http.ResponseWriter, r *http.Request) {
		var given exportedKeys
		if !readJSON(w, r, &given) {
			return
		}
		if err := i.keys.load(given); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		respond(w, http.StatusOK, i.keys.public())
	})
	return mux
}

func runIssuer(ctx context.Context, arguments []string, _ io.Writer) error {
	flags := flag.NewFlagSet("issuer", flag.ContinueOnError)
	address := flags.String("address", ":8080", "address to serve at")
	name := flags.String("issuer", "", "the tokens' iss claim")
	grace := flags.Duration("drain", time.Second, "how long to serve on after being asked to stop")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *name == "" {
		return errors.New("--issuer is missing: tokens without iss match no rule")
	}
	keys, err := newKeyring()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	i := &issuer{name: *name, keys: keys, now: time.Now}
	log.Printf("issuer %s at %s", i.name, listener.Addr())
	return runServices(ctx, &i.ready, *grace, httpService("issuer", listener, i.handler()))
}
